"""What latkit puts on a device: its folder, wheels, and the native agent with its libraries."""
