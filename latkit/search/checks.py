"""What is checked of a search before anything is written."""

from __future__ import annotations

from latkit.errors import UsageError
from latkit.search.data import DataSplit
from latkit.spaces import Space

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
