"""Search: the most accurate network of a space at a given latency."""

from latkit.search.constraints import Limit
from latkit.search.data import DataSplit, load_data
from latkit.search.result import Recipe, SearchResult
from latkit.search.run import run_search
from latkit.search.settings import SearchSettings
from latkit.search.trained_network import TrainedNetwork, load_network

__all__ = [
    "DataSplit",
    "Limit",
    "Recipe",
    "SearchResult",
    "SearchSettings",
    "TrainedNetwork",
    "load_data",
    "load_network",
    "run_search",
]
