"""TFLite operators: checks and counts of work, and building graphs of them."""
