"""Elastic weights: one set of weights of which many sub-networks take a part (Once-for-all, Cai et al. 2020)."""
