"""Boosted trees over a roofline, on the features of ops."""
