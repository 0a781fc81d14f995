"""Collecting: what a target still lacks, measured in randomly ordered sweeps of short visits; resumable."""

from latkit.collect.collected import Collected
from latkit.collect.collection import Collection, VisitingSession
from latkit.collect.recheck import Recheck, keep_scale, on_scale, recheck
from latkit.collect.supply import Exporter

__all__ = [
    "Collected",
    "Collection",
    "Exporter",
    "Recheck",
    "VisitingSession",
    "keep_scale",
    "on_scale",
    "recheck",
]
