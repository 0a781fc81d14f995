"""Device interpreters that run the real agent and make it fail or lie."""
