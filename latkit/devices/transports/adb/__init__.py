"""ADB: phones by cable, over the network, and through an ADB server."""
