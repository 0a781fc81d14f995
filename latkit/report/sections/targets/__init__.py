"""Sections of a target's page."""
