"""Commands on the workspace as a whole."""
