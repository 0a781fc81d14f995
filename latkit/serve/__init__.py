"""The live view: a read-only page about a workspace that follows what runs in it, for browsers of this machine."""
