"""The recipe of a training, of which its result follows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field

from latkit.errors import UsageError
from latkit.search.data import DataSplit
from latkit.search.records.base import Record
from latkit.search.tasks import DEFAULT_TASK
from latkit.search.training.settings import TrainingSettings

NEUTRAL_FIELDS = frozenset(
    {
        "settings.checkpoint_seconds",
        "settings.checkpointing",
        "settings.export_tflite",
        "settings.workers",
        "data.source",
        "data.file_bytes",
    }
)
"""Fields of a recipe that do not affect the network, and may change when a search is resumed. The size of the images'
files is one of them, so a search can resume after a damaged file was repaired."""


FIELD_DEFAULTS = {"settings.task": DEFAULT_TASK}
"""Fields that recipes of earlier versions lack, with the value that those searches had: at that value they are left out
of what is compared and hashed."""


class DataFacts(Record):
    """The images of a search, and their normalization: `(image / 255 - mean) / std`."""

    name: str
    training_images: int
    test_images: int
    class_names: tuple[str, ...]
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str
    """Of all labels, and of the images' pixels if they are in memory, or of their names if they are files."""
    file_bytes: int = 0
    """Total of all image files: it shows a file that was replaced under the same name."""
    source: str = ""
    """The source that `load_data` was given, for loading the images again."""

    @classmethod
    def of(cls, data: DataSplit) -> DataFacts:
        """The facts of a split."""
        return cls(
            name=data.name,
            training_images=len(data.train.labels),
            test_images=len(data.test.labels),
            class_names=data.class_names,
            shape=data.shape,
            mean=data.mean,
            std=data.std,
            sha256=data.sha256,
            file_bytes=data.train.file_bytes + data.test.file_bytes,
            source=data.source,
        )


class TrainingRecipe(Record):
    """The inputs of a training: of a search, or of a supernet."""

    what: ClassVar[str] = "training"
    """For errors."""
    space: str
    space_key: str
    data: DataFacts
    settings: TrainingSettings
    versions: dict[str, str]
    machine: dict[str, str] = Field(default={})
    """Where the search began: results may differ elsewhere in their last bits."""
    went_on: tuple[dict[str, str], ...] = ()
    """Where it was resumed, in order: each entry is a machine, or number of threads or processes, that differs from the
    one before."""

    @property
    def content_hash(self) -> str:
        """Hash of the fields that determine the weights, without the versions."""
        return hashlib.sha256(json.dumps(self.consequential(versions=False)).encode()).hexdigest()

    def consequential(self, *, versions: bool) -> dict[str, Any]:
        """The fields that determine the network, by dotted name: all but `NEUTRAL_FIELDS` and the machine."""
        left_out = {"machine", "went_on"} | (set() if versions else {"versions"})
        flat = _flat(self.model_dump(mode="json", exclude=left_out))
        left_out_fields = NEUTRAL_FIELDS | {name for name, value in FIELD_DEFAULTS.items() if flat[name] == value}
        return {name: flat[name] for name in sorted(flat.keys() - left_out_fields)}

    def resumed_as(self, now: Self) -> Self:
        """The recipe of a search resumed as `now`, which differs only in fields that do not affect the network.

        A repetition uses those values. Versions and machine stay those that the search began with.
        """
        last = (self.machine, *self.went_on)[-1]
        went_on = self.went_on if now.machine == last else (*self.went_on, now.machine)
        return self.model_copy(update={"settings": now.settings, "data": now.data, "went_on": went_on})

    def difference(self, other: Self, *, versions: bool = True) -> tuple[str, Any, Any] | None:
        """Name, own and other value of the first field in which another recipe differs; None if there is none.

        The machine may differ, and with it the last bits. Another space comes before what follows from it, such as the
        shape of the images.
        """
        mine, theirs = (recipe.consequential(versions=versions) for recipe in (self, other))
        for name in sorted(mine.keys() | theirs.keys(), key=lambda name: ("." in name, name)):
            if mine.get(name) != theirs.get(name):
                return name, mine.get(name), theirs.get(name)
        return None

    def check_same(self, begun: Self, path: Path, *, versions: bool = True) -> None:
        """Raise UsageError where the recipe read from `path` belongs to another search; see `difference`."""
        found = self.difference(begun, versions=versions)
        if found is not None:
            name, mine, theirs = found
            raise UsageError(
                f"{path}: expected {name} to be {theirs!r} as in the {self.what} to be resumed, but found {mine!r}; "
                f"resume it as it began, or choose another folder"
            )


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in document.items():
        flat.update(_flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value})
    return flat
