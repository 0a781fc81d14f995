"""Sections of the report: each reads records and gives HTML."""
