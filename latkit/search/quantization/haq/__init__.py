"""HAQ: an agent gives every layer its precision, in sequence (Wang et al. 2019)."""
