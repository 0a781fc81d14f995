"""What a search leaves behind: its recipe, its result, its curves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from latkit import _io
from latkit.errors import UsageError
from latkit.search.constraints import Limit
from latkit.search.data import DataSplit
from latkit.search.provenance import machine, versions
from latkit.search.settings import SearchSettings
from latkit.spaces import Space
from latkit.tables import AdditiveTable, LatencyTable, PeakTable

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
"""What a finished search's folder holds; without the TFLite file where nothing is there to write it."""


OF_NO_CONSEQUENCE = frozenset(
    {
        "settings.checkpoint_seconds",
        "settings.checkpointing",
        "settings.export_tflite",
        "settings.workers",
        "data.source",
        "data.file_bytes",
    }
)
"""Of a recipe, what makes no difference to the network that is found, and may change on the way. The size of the
images' files is among it, so that a search goes on once a broken one was put right."""


Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = dict[str, Annotated[float, Field(ge=0)]]


class Record(BaseModel):
    """Something that is kept as JSON: frozen, and unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def save(self, path: Path) -> None:
        """Write the record as JSON, whole or not at all."""
        write_json(path, self.model_dump(mode="json"))


class DataFacts(Record):
    """Which images a search saw, and what normalised them: `(image / 255 - mean) / std`."""

    name: str
    training_images: int
    test_images: int
    class_names: tuple[str, ...]
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str
    """Of all labels, and of the images' pixels where they lie in memory, of their names where in files."""
    file_bytes: int = 0
    """Of image files together: one that was exchanged under its name shows here."""
    source: str = ""
    """What `load_data` was asked for, by which the images can be had again."""

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
    """A network that the derived one learned from."""

    network_key: str
    weights_sha256: str


class LimitFacts(Record):
    """An upper bound beside the latency target."""

    most: float
    table_sha256: str

    @classmethod
    def of(cls, limit: Limit) -> LimitFacts:
        """The facts of a limit."""
        return cls(most=limit.max_value, table_sha256=table_hash(limit.table))


class Recipe(Record):
    """Everything that a search follows from. Two searches of equal recipes and versions are equal on one machine."""

    format: Literal["latkit-search-recipe-1"] = "latkit-search-recipe-1"
    space: str
    space_key: str
    table_sha256: str
    target_latency_s: Positive
    data: DataFacts
    settings: SearchSettings
    teacher: TeacherFacts | None = None
    limits: dict[str, LimitFacts] = {}
    versions: dict[str, str]
    machine: dict[str, str] = {}
    """Where the search began: results may differ elsewhere in their last bits."""
    went_on: tuple[dict[str, str], ...] = ()
    """Where it was resumed, in order: each machine, or number of threads or processes, that was not that of before."""

    @classmethod
    def of(
        cls,
        space: Space,
        table: LatencyTable,
        data: DataSplit,
        target_latency_s: float,
        settings: SearchSettings,
        teacher: TeacherFacts | None = None,
        limits: Sequence[Limit] = (),
    ) -> Recipe:
        """The recipe of a search about to begin."""
        return cls(
            space=space.name,
            space_key=space.key,
            table_sha256=table_hash(table),
            target_latency_s=target_latency_s,
            limits={limit.name: LimitFacts.of(limit) for limit in limits},
            data=DataFacts.of(data),
            settings=settings,
            teacher=teacher,
            versions=versions(),
            machine=machine(settings.threads),
        )

    @property
    def identity(self) -> dict[str, str | float]:
        """What a checkpoint must share with the search that goes on from it, for its numbers to mean anything."""
        return {
            "space": self.space,
            "space_key": self.space_key,
            "table_sha256": self.table_sha256,
            "target_latency_s": self.target_latency_s,
            "sha256": hashlib.sha256(json.dumps(self.consequential(versions=False)).encode()).hexdigest(),
        }

    def consequential(self, *, versions: bool) -> dict[str, Any]:
        """What the network that is found follows from, by dotted name: all but `OF_NO_CONSEQUENCE` and the machine."""
        left_out = {"machine", "went_on"} | (set() if versions else {"versions"})
        flat = _flat(self.model_dump(mode="json", exclude=left_out))
        return {name: flat[name] for name in sorted(flat.keys() - OF_NO_CONSEQUENCE)}

    def resumed_as(self, now: Recipe) -> Recipe:
        """The recipe of a search that goes on as `now`, which differs in nothing but what is of no consequence.

        That is what a repetition is to take. Versions and machine stay those that the search began with.
        """
        last = (self.machine, *self.went_on)[-1]
        went_on = self.went_on if now.machine == last else (*self.went_on, now.machine)
        return self.model_copy(update={"settings": now.settings, "data": now.data, "went_on": went_on})

    def difference(self, other: Recipe, *, versions: bool = True) -> tuple[str, Any, Any] | None:
        """Name, own and other value of the first field in which another recipe differs; None where none does.

        The machine may differ, and with it the last bits.
        """
        mine, theirs = (recipe.consequential(versions=versions) for recipe in (self, other))
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name):
                return name, mine.get(name), theirs.get(name)
        return None

    def check_same(self, begun: Recipe, path: Path, *, versions: bool = True) -> None:
        """Raise UsageError where the search of a recipe read from `path` is another; see `difference`."""
        found = self.difference(begun, versions=versions)
        if found is not None:
            name, mine, theirs = found
            raise UsageError(
                f"{path}: expected {name} to be {theirs!r} as in the search to be resumed, but found {mine!r}; resume "
                "it as it began, or search into another folder"
            )


class LimitResult(Record):
    """What the derived network has of a bounded quantity, by its table, and the bound."""

    predicted: float
    most: float


class ExportFacts(Record):
    """How an exported file did beside the torch module, on images of the test set."""

    largest_difference: float
    """Between scores, absolute."""
    agreement: float
    """Share of images for which both predict the same class, 0 to 1."""
    images: int


class SearchResult(Record):
    """What a search found. `accuracy` is the share of test images classified rightly, 0 to 1."""

    format: Literal["latkit-search-result-1"] = "latkit-search-result-1"
    name: str
    space: str
    target_latency_s: Positive
    predicted_latency_s: Positive
    """Of the derived network, by the table."""
    expected_latency_s: float
    """Of the distribution at the end of the search."""
    strongest_latency_s: float
    """Of the strongest path, before repair."""
    swaps: int
    """Choices in which the derived network differs from the strongest path: what the repair or the finals changed."""
    accuracy: Share
    macs: Count
    parameters: Count
    architecture: tuple[Count, ...]
    """One candidate per choice of the space."""
    ops: tuple[str, ...]
    """The derived network's ops, in words."""
    seconds: Seconds
    """Spent on `search` and `training`, interruptions left out."""
    notes: tuple[str, ...]
    """What a reader should know, in sentences."""
    limits: dict[str, LimitResult] = {}
    """By name, in their tables' units."""
    exports: dict[str, ExportFacts] = {}
    """By what `files` calls them."""
    files: dict[str, str]
    """Names of the files in the search's folder, by what they hold."""

    @field_validator("files")
    @classmethod
    def _are_of_a_search(cls, files: dict[str, str]) -> dict[str, str]:
        """Names out of a file must not lead anywhere else."""
        for what, name in files.items():
            if FILES.get(what) != name:
                raise ValueError(f"expected one of {', '.join(FILES.values())}, but found {what}: {name}")
        return files


ValueType = TypeVar("ValueType")


def as_value(check: Callable[[], ValueType]) -> ValueType:
    """What a check gives; its UsageError as the ValueError that pydantic turns into a field's message."""
    try:
        return check()
    except UsageError as error:
        raise ValueError(str(error)) from error


RecordType = TypeVar("RecordType", bound=BaseModel)


def load_record(kind: type[RecordType], path: Path, called: str = "") -> RecordType:
    """Read what a search left behind from JSON. `called`: what to call it in an error. Raises BadFile."""
    return _io.load_record(path, kind, called or f"a {kind.__name__}")


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON document, whole or not at all."""
    _io.write_text(path, json.dumps(document, indent=1) + "\n")


def table_hash(table: AdditiveTable | PeakTable) -> str:
    """Hash of a table's numbers."""
    parts = [part.detach().cpu().numpy().tobytes() for part in (table.values, table.mask, table.base)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in document.items():
        flat.update(_flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value})
    return flat
