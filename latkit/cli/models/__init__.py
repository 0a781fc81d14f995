"""Commands on latency models and their tables."""
