"""Records of baselines: `baselines.json` in the folder of the search they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from latkit.errors import UsageError
from latkit.search.records.base import Record, load_record
from latkit.search.records.result import Count, Positive, Seconds, as_value
from latkit.search.tasks import Scored
from latkit.targets import check_name

BASELINES_FILE = "baselines.json"

Kind = Literal["random", "evolution", "mobilenetv2"]

KINDS: tuple[Kind, ...] = ("random", "evolution", "mobilenetv2")


class EvolutionPlan(Record):
    """Length of the evolution."""

    evaluations: int = 200
    images: int = 2048
    """Maximum number of images that an architecture is evaluated on."""
    population: int = 32
    tournament: int = 8


class BaselineRequest(Record):
    """Requested baselines: a kind, and a count."""

    kind: Kind
    count: int = 1
    evolution: EvolutionPlan = EvolutionPlan()
    """Of the kind `evolution` alone."""

    @classmethod
    def parse(cls, text: str) -> BaselineRequest:
        """Parse `random:5`, `evolution` or `mobilenetv2`. Only random networks take a count. Raises UsageError."""
        name, colon, number = text.partition(":")
        kind = next((kind for kind in KINDS if kind == name), None)
        count = int(number) if number.isdecimal() else 0 if colon else 1
        if kind is None or count < 1 or (count > 1 and kind != "random"):
            raise UsageError(f"expected a baseline such as random:5, evolution or mobilenetv2, but found {text!r}")
        return cls(kind=kind, count=count)


def _file_name(name: str) -> str:
    """File name of its checkpoint."""
    return as_value(lambda: check_name(name, "a baseline's name"))


class BaselineRecord(Scored, Record):
    """One baseline, trained and evaluated as the derived network is."""

    name: Annotated[str, AfterValidator(_file_name)]
    """Unique within a search: `random-1`, `evolution`, `mobilenetv2-0.35`."""
    kind: Kind
    score: float
    """Of the task's metric on the test images."""
    predicted_latency_s: Positive
    """By the table; for MobileNetV2, which belongs to no space, by `latency_of`."""
    measured_latency_s: Positive | None = None
    """On the target, if it was measured there."""
    macs: Count
    parameters: Count
    architecture: tuple[Count, ...] | None
    """One candidate per choice of the space; None for a network of no space."""
    seconds: Seconds
    """Spent on `search` and `training`, without interruptions."""


class Baselines(Record):
    """All finished baselines of a search."""

    format: Literal["latkit-baselines-1"] = "latkit-baselines-1"
    records: tuple[BaselineRecord, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Baselines:
        """Load the baselines of a search's folder; empty where it has none. Raises BadFile."""
        path = folder / BASELINES_FILE
        return load_record(cls, path, "the baselines of a search") if path.exists() else cls()

    def with_record(self, record: BaselineRecord) -> Baselines:
        """These, with one record added, or replaced if the name exists."""
        by_name = {other.name: other for other in self.records} | {record.name: record}
        return Baselines(records=tuple(by_name.values()))

    def named(self, name: str) -> BaselineRecord | None:
        """The finished baseline of that name."""
        return next((record for record in self.records if record.name == name), None)
