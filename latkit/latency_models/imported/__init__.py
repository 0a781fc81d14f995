"""Tables of other projects, read as look-up models."""
