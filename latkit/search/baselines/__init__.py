"""Baselines: networks to compare a search with, at the same latency and with the same training."""

from latkit.search.baselines.evolution import RegularizedEvolution, Strategy, evolve
from latkit.search.baselines.records import BASELINES_FILE, BaselineRecord, BaselineRequest, Baselines, EvolutionPlan
from latkit.search.baselines.run import check_baselines, check_drawn, run_baselines
from latkit.search.baselines.sampling import LatencySampler, random_architectures
from latkit.search.baselines.widths import LatencyOf, check_narrowest, ladder, scaled_mobilenet

__all__ = [
    "BASELINES_FILE",
    "BaselineRecord",
    "BaselineRequest",
    "Baselines",
    "EvolutionPlan",
    "LatencyOf",
    "LatencySampler",
    "RegularizedEvolution",
    "Strategy",
    "check_baselines",
    "check_drawn",
    "check_narrowest",
    "evolve",
    "ladder",
    "random_architectures",
    "run_baselines",
    "scaled_mobilenet",
]
