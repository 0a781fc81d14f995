"""The verbs that profile models and measure them as a whole."""
