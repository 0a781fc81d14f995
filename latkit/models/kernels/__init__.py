"""Latency of foreign networks: their graphs cut into kernels as the target's runtime does, each kernel predicted."""
