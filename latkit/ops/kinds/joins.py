"""What kinds that join branches have in common."""

MAX_INPUTS = 64
"""Of one op. Agents take as many inputs of a model."""
