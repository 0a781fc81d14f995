"""Collecting: what a target still lacks, measured in randomly ordered passes of short rounds; resumable."""

from latkit.profiling.baseline_check import BaselineCheck, ensure_baseline, recheck, with_baseline
from latkit.profiling.collector import Collection, TimingSession
from latkit.profiling.export_queue import Exporter
from latkit.profiling.summary import CollectionSummary

__all__ = [
    "BaselineCheck",
    "Collection",
    "CollectionSummary",
    "Exporter",
    "TimingSession",
    "ensure_baseline",
    "recheck",
    "with_baseline",
]
