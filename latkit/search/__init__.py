"""Search: the most accurate network of a space at a given latency."""

from latkit.search.data import DataSplit, load_data
from latkit.search.result import Recipe, SearchResult
from latkit.search.run import run_search
from latkit.search.settings import SearchSettings

__all__ = ["DataSplit", "Recipe", "SearchResult", "SearchSettings", "load_data", "run_search"]
