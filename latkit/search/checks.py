"""What is checked of a search before anything is written."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.errors import TargetOutOfReach, UsageError
from latkit.search.constraints import Limit
from latkit.search.data import DataSplit
from latkit.search.derive import check_reach
from latkit.search.settings import SearchSettings
from latkit.spaces import Space
from latkit.tables import LatencyTable

LEAST_IMAGES = 8
"""Fewer training images cannot be halved into batches that batch norm can work with."""


def check_data(space: Space, data: DataSplit) -> None:
    """Raise UsageError unless the images fit the space's input and the classes its output."""
    if space.input_shape != data.shape:
        raise UsageError(
            f"space {space.name} expects images of shape {space.input_shape}, but data {data.name} has {data.shape}"
        )
    if space.output_shape != (data.classes,):
        raise UsageError(
            f"space {space.name} gives {space.output_shape[0]} classes, but data {data.name} has {data.classes}"
        )
    if len(data.train.labels) < LEAST_IMAGES:
        raise UsageError(
            f"expected at least {LEAST_IMAGES} training images, but data {data.name} has {len(data.train.labels)}"
        )


def check_latency(table: LatencyTable, target_s: float, settings: SearchSettings, limits: Sequence[Limit] = ()) -> bool:
    """Whether the target binds: whether some network of the space is slower than it.

    A target that does not is a mistake, unless latency is not to count (`penalty="none"`). Raises TargetOutOfReach
    with the range for a target that every network meets or none, and where none within the limits meets it;
    UsageError for one that is no positive number.
    """
    binding = check_reach(table, target_s, limits)
    if not binding and settings.penalty != "none":
        raise TargetOutOfReach(
            f"expected a latency target that some network of space {table.space_name} misses, but found "
            f"{target_s * 1e3:.4g} ms, which all of them meet: they take from {table.fastest() * 1e3:.4g} to "
            f"{table.slowest() * 1e3:.4g} ms. Ask for less, or have latency not count at all with penalty=none"
        )
    return binding
