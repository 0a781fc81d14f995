"""How a search moves: learners of the architecture parameters, and the phase that runs them."""
