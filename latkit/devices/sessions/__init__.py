"""A session: the agent on a device, launched, asked, and recovered after a fault."""
