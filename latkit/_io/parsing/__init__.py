"""Parsers of what others may have written, in bounded time and memory."""
