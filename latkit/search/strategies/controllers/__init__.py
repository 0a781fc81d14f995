"""Controllers: policies that draw architectures, and learn from rewards."""
