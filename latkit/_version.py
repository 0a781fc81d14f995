"""The version of latkit."""

__version__ = "0.1.0"
