"""Records of a search: its recipe, its result, its curves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AliasChoices, Field, field_validator

from latkit.errors import UsageError
from latkit.search.gradient.settings import SearchSettings
from latkit.search.objectives.constraints import Constraint
from latkit.search.records.base import Record
from latkit.search.records.recipe import TrainingRecipe
from latkit.search.records.strategy import StrategyPlan
from latkit.search.tasks import Scored
from latkit.tables import CostTable

FILES: dict[str, str] = {
    "recipe": "recipe.json",
    "checkpoint": "checkpoint.pt",
    "architecture": "architecture.json",
    "history": "history.json",
    "weights": "weights.safetensors",
    "space": "space.json",
    "table": "table.json",
    "result": "result.json",
    "tensorboard": "tensorboard",
}
"""Files in a finished search's folder, beside those that `exported_file` names."""

EXPORT = re.compile(r"(quantized-)?[a-z0-9]{1,20}")
"""Name of an exported file in a result: its suffix, after `quantized-` for one of several precisions."""
EXPORTED_FILE = re.compile(r"network(-quantized)?\.[a-z0-9]{1,20}")


def exported_file(what: str) -> str:
    """The file of an export: `network.onnx` of `onnx`, `network-quantized.onnx` of `quantized-onnx`."""
    stem, _, suffix = f"network-{what}".rpartition("-")
    return f"{stem}.{suffix}"


def exported_files(folder: Path) -> list[str]:
    """Names of the exported files in a folder."""
    return sorted(path.name for path in folder.glob("network*") if EXPORTED_FILE.fullmatch(path.name))


Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = dict[str, Annotated[float, Field(ge=0)]]


_BY_NAME = AliasChoices("limits", "constraints")
"""Stored records say `limits`."""


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


BUDGET_FIELDS = ("strategy.evaluations", "strategy.max_seconds", "strategy.max_epochs")


class Recipe(TrainingRecipe):
    """All inputs of a search. On one machine, equal recipes and versions give equal results."""

    what: ClassVar[str] = "search"
    format: Literal["latkit-search-recipe-1"] = "latkit-search-recipe-1"
    table_sha256: str
    target_latency_s: Positive
    settings: SearchSettings
    teacher: TeacherFacts | None = None
    constraints: dict[str, ConstraintFacts] = Field({}, validation_alias=_BY_NAME, serialization_alias="limits")
    strategy: StrategyPlan | None = None
    """Of a search by a strategy; None where a supernet's gradient decides."""
    started_from: str | None = None
    """Hash of the supernet's weights that it began with; None where they were drawn at random."""

    def consequential(self, *, versions: bool) -> dict[str, Any]:
        """See `TrainingRecipe`; recipes of earlier versions lack a strategy, and weights to start from.

        A strategy's budget may change: the architecture that it found determines the network.
        """
        found = super().consequential(versions=versions)
        later = {"strategy": self.strategy, "started_from": self.started_from}
        left_out = {*BUDGET_FIELDS, *(name for name, value in later.items() if value is None)}
        return {name: value for name, value in found.items() if name not in left_out}

    def resumed_as(self, now: Self) -> Self:
        """See `TrainingRecipe`; a strategy's budget is the new one."""
        return super().resumed_as(now).model_copy(update={"strategy": now.strategy})

    @property
    def identity(self) -> dict[str, str | float]:
        """The fields that a checkpoint must share with the search that resumes from it."""
        return {
            "space": self.space,
            "space_key": self.space_key,
            "table_sha256": self.table_sha256,
            "target_latency_s": self.target_latency_s,
            "sha256": self.content_hash,
        }


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
    exports: dict[str, ExportFacts] = Field(default_factory=dict)
    """By their names in `files`."""
    files: dict[str, str]
    """Names of the files in the search's folder, by content."""

    @field_validator("files")
    @classmethod
    def _are_of_a_search(cls, files: dict[str, str]) -> dict[str, str]:
        """File names from a record must stay inside the folder."""
        for what, name in files.items():
            if name != FILES.get(what, exported_file(what) if EXPORT.fullmatch(what) else None):
                raise ValueError(
                    f"expected one of {', '.join(FILES.values())} or an exported file such as "
                    f"{exported_file('onnx')}, but found {what}: {name}"
                )
        return files


ValueType = TypeVar("ValueType")


def as_value(check: Callable[[], ValueType]) -> ValueType:
    """The result of a check; its UsageError becomes the ValueError that pydantic reports for a field."""
    try:
        return check()
    except UsageError as error:
        raise ValueError(str(error)) from error


def table_hash(table: CostTable) -> str:
    """Hash of a table's numbers: values, mask, base, and pair terms if there are any."""
    parts = [part.detach().cpu().numpy().tobytes() for part in table.buffers()]
    return hashlib.sha256(b"".join(parts)).hexdigest()
