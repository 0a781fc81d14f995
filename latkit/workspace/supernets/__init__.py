"""The verbs that train a supernet and specialize it."""
