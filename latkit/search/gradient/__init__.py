"""The gradient search of a supernet: path rules, learners of the architecture parameters, and their loop."""
