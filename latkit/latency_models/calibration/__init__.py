"""From ops measured alone to whole networks, and the intervals of predictions."""
