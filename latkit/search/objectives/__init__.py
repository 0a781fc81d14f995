"""Objectives: the loss of an architecture under constraints, and the network derived from it."""
