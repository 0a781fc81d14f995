"""SSH: boards and machines, with the user's own configuration and verified host keys."""
