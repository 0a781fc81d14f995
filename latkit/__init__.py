"""latkit: neural networks measured on real devices, latency models, and search with latency in the loop."""

__version__ = "0.1.0"
