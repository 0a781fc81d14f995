"""Collecting: what a target still lacks, measured in randomly ordered passes of short rounds; resumable."""

from latkit.collect.baseline_check import BaselineCheck, ensure_baseline, recheck, with_baseline
from latkit.collect.collector import Collection, TimingSession
from latkit.collect.export_queue import Exporter
from latkit.collect.summary import CollectionSummary

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
