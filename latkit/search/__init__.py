"""Search: the most accurate network of a space at a given latency."""

from latkit.search.data import DataSplit, load_data
from latkit.search.objectives.constraints import Constraint
from latkit.search.records.problem import Problem
from latkit.search.records.result import Recipe, SearchResult
from latkit.search.run import run_search
from latkit.search.strategies.settings import SearchSettings
from latkit.search.training.trained_network import TrainedNetwork, load_network

__all__ = [
    "Constraint",
    "DataSplit",
    "Problem",
    "Recipe",
    "SearchResult",
    "SearchSettings",
    "TrainedNetwork",
    "load_data",
    "load_network",
    "run_search",
]
