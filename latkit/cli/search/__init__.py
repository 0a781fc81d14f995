"""Commands on spaces, searches and supernets."""
