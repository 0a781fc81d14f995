"""An op kind, a runtime, a transport and a space, added to latkit by a package of its own."""
