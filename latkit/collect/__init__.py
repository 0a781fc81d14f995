"""Collecting: what a target still lacks, measured in randomly ordered sweeps of short visits; resumable."""

from latkit.collect.collected import Collected
from latkit.collect.collection import Collection, VisitingSession
from latkit.collect.supply import Exporter

__all__ = ["Collected", "Collection", "Exporter", "VisitingSession"]
