"""Sections of the page of a specialized supernet."""
