"""Spaces of cells: small graphs, repeated in a network of fixed stages."""
