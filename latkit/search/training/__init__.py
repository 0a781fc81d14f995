"""Training of one network, on one process or several."""
