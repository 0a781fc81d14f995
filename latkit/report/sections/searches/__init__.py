"""Sections of a search's page."""
