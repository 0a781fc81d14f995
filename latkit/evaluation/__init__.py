"""Evaluation: predicted beside measured."""
