"""The built-in spaces."""
