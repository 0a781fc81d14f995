"""Published benchmarks, read from files in a folder that the user names."""
