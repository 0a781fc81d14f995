"""Search: the most accurate network of a space at a given latency.

Names are imported when they are first used: the strategies and their loop need no torch. `__init__.pyi` lists them for
type checkers.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Constraint": "latkit.search.objectives.constraints",
    "DataSplit": "latkit.search.data",
    "ElasticModule": "latkit.search.supernet.elastic.module_net",
    "Problem": "latkit.search.records.problem",
    "Recipe": "latkit.search.records.result",
    "SearchResult": "latkit.search.records.result",
    "SearchSettings": "latkit.search.gradient.settings",
    "TrainedNetwork": "latkit.search.training.trained_network",
    "elastic": "latkit.search.supernet.elastic.module_net",
    "load_data": "latkit.search.data",
    "load_network": "latkit.search.training.trained_network",
    "run_search": "latkit.search.run",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'latkit.search' has no attribute {name!r}")
