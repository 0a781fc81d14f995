"""Baselines: networks to compare a search with, at the same latency and with the same training."""

from latkit.search.baselines.at_latency import AtLatency, random_architectures
from latkit.search.baselines.records import BASELINES_FILE, BaselineRecord, BaselineRequest, Baselines, EvolutionPlan
from latkit.search.baselines.sampling import LatencySampler
from latkit.search.baselines.widths import LatencyOf, check_narrowest, ladder, scaled_mobilenet

__all__ = [
    "BASELINES_FILE",
    "AtLatency",
    "BaselineRecord",
    "BaselineRequest",
    "Baselines",
    "EvolutionPlan",
    "LatencyOf",
    "LatencySampler",
    "check_narrowest",
    "ladder",
    "random_architectures",
    "scaled_mobilenet",
]
