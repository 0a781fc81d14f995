"""Sections of a profile's page."""
