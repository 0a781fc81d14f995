"""Features of the networks of published latency tables."""
