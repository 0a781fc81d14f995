"""Android: the state of a phone, and TFLite's own benchmark tool on it."""
