"""Commands on devices, their targets and agents."""
