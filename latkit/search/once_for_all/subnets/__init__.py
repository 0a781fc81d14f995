"""Sub-networks of a trained supernet: scored, predicted, and found for targets and latencies."""
