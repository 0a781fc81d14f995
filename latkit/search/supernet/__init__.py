"""The supernet: every candidate of every layer, sharing weights, and how its weights are trained."""
