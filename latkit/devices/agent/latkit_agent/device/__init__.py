"""What the device is and does: facts, conditions, counters of energy."""
