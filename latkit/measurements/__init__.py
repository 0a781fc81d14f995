"""Stored measurements: the store, its exchange format, and the quality of its data."""

from latkit.measurements.anomalies import FLAGS, count_flags, flags_of
from latkit.measurements.parquet import card_path, check_replaces_card, read_parquet, write_card, write_parquet
from latkit.measurements.selection import Selection, environment_of, select
from latkit.measurements.store import Store

__all__ = [
    "FLAGS",
    "Selection",
    "Store",
    "card_path",
    "check_replaces_card",
    "count_flags",
    "environment_of",
    "flags_of",
    "read_parquet",
    "select",
    "write_card",
    "write_parquet",
]
