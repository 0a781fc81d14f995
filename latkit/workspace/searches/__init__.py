"""The verbs that search: one network, several, by strategies, and their baselines."""
