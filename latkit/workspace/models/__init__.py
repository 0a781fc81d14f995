"""The verbs on latency models: fitted, read, used to predict, compared with measurements."""
