"""Records of a search: its recipe, its result, its curves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator

from latkit import _io
from latkit.errors import UsageError
from latkit.search.data import DataSplit
from latkit.search.gradient.settings import SearchSettings
from latkit.search.objectives.constraints import Constraint
from latkit.search.tasks import DEFAULT_TASK, Scored
from latkit.tables import CostTable

FILES = {
    "recipe": "recipe.json",
    "checkpoint": "checkpoint.pt",
    "architecture": "architecture.json",
    "history": "history.json",
    "weights": "weights.safetensors",
    "onnx": "network.onnx",
    "tflite": "network.tflite",
    "space": "space.json",
    "table": "table.json",
    "result": "result.json",
    "tensorboard": "tensorboard",
}
"""Files in a finished search's folder; the TFLite file only where its exporter is installed."""


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


Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = dict[str, Annotated[float, Field(ge=0)]]


_BY_NAME = AliasChoices("limits", "constraints")
"""Stored records say `limits`."""


class Record(BaseModel):
    """A record saved as JSON: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True)

    def save(self, path: Path) -> None:
        """Write the record as JSON, atomically."""
        write_json(path, self.model_dump(mode="json"))


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


class TeacherFacts(Record):
    """The teacher of the derived network."""

    network_key: str
    weights_sha256: str


class ConstraintFacts(Record):
    """An upper bound besides the latency target."""

    most: float
    table_sha256: str

    @classmethod
    def of(cls, constraint: Constraint) -> ConstraintFacts:
        """The facts of a constraint."""
        return cls(most=constraint.max_value, table_sha256=table_hash(constraint.table))


class Recipe(Record):
    """All inputs of a search. On one machine, equal recipes and versions give equal results."""

    format: Literal["latkit-search-recipe-1"] = "latkit-search-recipe-1"
    space: str
    space_key: str
    table_sha256: str
    target_latency_s: Positive
    data: DataFacts
    settings: SearchSettings
    teacher: TeacherFacts | None = None
    constraints: dict[str, ConstraintFacts] = Field({}, validation_alias=_BY_NAME, serialization_alias="limits")
    versions: dict[str, str]
    machine: dict[str, str] = {}
    """Where the search began: results may differ elsewhere in their last bits."""
    went_on: tuple[dict[str, str], ...] = ()
    """Where it was resumed, in order: each entry is a machine, or number of threads or processes, that differs from the
    one before."""

    @property
    def identity(self) -> dict[str, str | float]:
        """The fields that a checkpoint must share with the search that resumes from it."""
        return {
            "space": self.space,
            "space_key": self.space_key,
            "table_sha256": self.table_sha256,
            "target_latency_s": self.target_latency_s,
            "sha256": hashlib.sha256(json.dumps(self.consequential(versions=False)).encode()).hexdigest(),
        }

    def consequential(self, *, versions: bool) -> dict[str, Any]:
        """The fields that determine the network, by dotted name: all but `NEUTRAL_FIELDS` and the machine."""
        left_out = {"machine", "went_on"} | (set() if versions else {"versions"})
        flat = _flat(self.model_dump(mode="json", exclude=left_out))
        left_out_fields = NEUTRAL_FIELDS | {name for name, value in FIELD_DEFAULTS.items() if flat[name] == value}
        return {name: flat[name] for name in sorted(flat.keys() - left_out_fields)}

    def resumed_as(self, now: Recipe) -> Recipe:
        """The recipe of a search resumed as `now`, which differs only in fields that do not affect the network.

        A repetition uses those values. Versions and machine stay those that the search began with.
        """
        last = (self.machine, *self.went_on)[-1]
        went_on = self.went_on if now.machine == last else (*self.went_on, now.machine)
        return self.model_copy(update={"settings": now.settings, "data": now.data, "went_on": went_on})

    def difference(self, other: Recipe, *, versions: bool = True) -> tuple[str, Any, Any] | None:
        """Name, own and other value of the first field in which another recipe differs; None if there is none.

        The machine may differ, and with it the last bits.
        """
        mine, theirs = (recipe.consequential(versions=versions) for recipe in (self, other))
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name):
                return name, mine.get(name), theirs.get(name)
        return None

    def check_same(self, begun: Recipe, path: Path, *, versions: bool = True) -> None:
        """Raise UsageError where the recipe read from `path` belongs to another search; see `difference`."""
        found = self.difference(begun, versions=versions)
        if found is not None:
            name, mine, theirs = found
            raise UsageError(
                f"{path}: expected {name} to be {theirs!r} as in the search to be resumed, but found {mine!r}; resume "
                "it as it began, or search into another folder"
            )


class ConstraintResult(Record):
    """The derived network's value of a bounded quantity, by its table, and the bound."""

    predicted: float
    most: float


class ExportFacts(Record):
    """Comparison of an exported file with the torch module, on test images."""

    largest_difference: float
    """Between scores, absolute."""
    agreement: float
    """Share of images for which both predict the same class, 0 to 1."""
    images: int


class SearchResult(Scored, Record):
    """The result of a search. `score` is the value of the task's metric on the test images."""

    format: Literal["latkit-search-result-1"] = "latkit-search-result-1"
    name: str
    space: str
    target_latency_s: Positive
    predicted_latency_s: Positive
    """Of the derived network, by the table."""
    expected_latency_s: float
    """Of the distribution at the end of the search."""
    strongest_latency_s: float
    """Of the most probable path, before repair."""
    swaps: int
    """Number of choices in which the derived network differs from the most probable path, by repair or finalists."""
    score: float
    macs: Count
    parameters: Count
    architecture: tuple[Count, ...]
    """One candidate per choice of the space."""
    ops: tuple[str, ...]
    """Titles of the derived network's ops."""
    seconds: Seconds
    """Spent on `search` and `training`, without interruptions."""
    notes: tuple[str, ...]
    """Remarks for the reader, in sentences."""
    constraints: dict[str, ConstraintResult] = Field({}, validation_alias=_BY_NAME, serialization_alias="limits")
    """By name, in their tables' units."""
    exports: dict[str, ExportFacts] = {}
    """By their names in `files`."""
    files: dict[str, str]
    """Names of the files in the search's folder, by content."""

    @field_validator("files")
    @classmethod
    def _are_of_a_search(cls, files: dict[str, str]) -> dict[str, str]:
        """File names from a record must stay inside the folder."""
        for what, name in files.items():
            if FILES.get(what) != name:
                raise ValueError(f"expected one of {', '.join(FILES.values())}, but found {what}: {name}")
        return files


ValueType = TypeVar("ValueType")


def as_value(check: Callable[[], ValueType]) -> ValueType:
    """The result of a check; its UsageError becomes the ValueError that pydantic reports for a field."""
    try:
        return check()
    except UsageError as error:
        raise ValueError(str(error)) from error


RecordType = TypeVar("RecordType", bound=BaseModel)


def load_record(kind: type[RecordType], path: Path, called: str = "") -> RecordType:
    """Load a record of a search from JSON. `called`: its name in errors. Raises BadFile."""
    return _io.load_record(path, kind, called or f"a {kind.__name__}")


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON document atomically."""
    _io.write_text(path, json.dumps(document, indent=1) + "\n")


def table_hash(table: CostTable) -> str:
    """Hash of a table's numbers: values, mask, base, and pair terms if there are any."""
    parts = [part.detach().cpu().numpy().tobytes() for part in table.buffers()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in document.items():
        flat.update(_flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value})
    return flat
