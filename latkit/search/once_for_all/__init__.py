"""Once-for-all: an elastic supernet is trained by a curriculum, and its sub-networks are used without training."""
