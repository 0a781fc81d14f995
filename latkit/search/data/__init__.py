"""Images to search and train on, loaded by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from latkit.errors import UsageError
from latkit.search.data.arrays import load_digits, load_idx, load_npz
from latkit.search.data.feeder import SINGLE_SHARD, Batch, Feed, Feeder, Normalize, Shard
from latkit.search.data.files import load_folder, load_hub
from latkit.search.data.images import (
    ArrayImages,
    CachedImages,
    DataSplit,
    DecodedImages,
    ImageSet,
    fetch_by_threads,
    make_split,
)
from latkit.search.data.subset import subset

POSSIBLE = "digits, a file ending in .npz, a folder with train/CLASS/*.png and test/CLASS/*.png, idx:FOLDER or hf:NAME"
"""The sources that `load_data` understands, for errors and help."""


def load_data(source: str, resolution: int, channels: int = 3) -> DataSplit:
    """Load the images of a named source, at a resolution and with 1 or 3 channels.

    `digits`: scikit-learn's. `FILE.npz`: arrays. `idx:FOLDER`: MNIST's file format. `hf:NAME`: a Hugging Face dataset.
    A folder: images by class. Raises UsageError, BadFile, MissingExtra.
    """
    return dataclasses.replace(_load(source, resolution, channels), source=source)


def _load(source: str, resolution: int, channels: int) -> DataSplit:
    if resolution < 1 or channels not in (1, 3):
        raise UsageError(f"expected a resolution of at least 1 and 1 or 3 channels, but found {resolution}, {channels}")
    if source == "digits":
        return load_digits(resolution, channels)
    prefixes: dict[str, Callable[[], DataSplit]] = {
        "idx": lambda: load_idx(Path(rest), resolution, channels),
        "hf": lambda: load_hub(rest, resolution, channels),
    }
    prefix, colon, rest = source.partition(":")
    if colon and prefix in prefixes:
        return prefixes[prefix]()
    path = Path(source)
    if path.suffix == ".npz":
        return load_npz(path, resolution, channels)
    if path.is_dir():
        return load_folder(path, resolution, channels)
    raise UsageError(f"unknown data {source!r}; possible: {POSSIBLE}")


__all__ = [
    "POSSIBLE",
    "SINGLE_SHARD",
    "ArrayImages",
    "Batch",
    "CachedImages",
    "DataSplit",
    "DecodedImages",
    "Feed",
    "Feeder",
    "ImageSet",
    "Normalize",
    "Shard",
    "fetch_by_threads",
    "load_data",
    "make_split",
    "subset",
]
