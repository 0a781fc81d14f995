"""What is kept of baselines: `baselines.json` in the folder of the search that they stand beside."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from latkit.errors import UsageError
from latkit.search.result import Record, load_record

BASELINES_FILE = "baselines.json"

Kind = Literal["random", "evolution", "mobilenetv2"]

KINDS: tuple[Kind, ...] = ("random", "evolution", "mobilenetv2")


class Wanted(Record):
    """Baselines asked for: a kind, and how many of it."""

    kind: Kind
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Wanted:
        """`random:5`, `evolution` or `mobilenetv2`. Only random networks come in several. Raises UsageError."""
        name, colon, number = text.partition(":")
        kind = next((kind for kind in KINDS if kind == name), None)
        count = int(number) if number.isdecimal() else 0 if colon else 1
        if kind is None or count < 1 or (count > 1 and kind != "random"):
            raise UsageError(f"expected a baseline such as random:5, evolution or mobilenetv2, but found {text!r}")
        return cls(kind=kind, count=count)


class BaselineRecord(Record):
    """One baseline, trained and evaluated as the derived network is."""

    name: str
    """Unique within a search: `random-1`, `evolution`, `mobilenetv2-0.35`."""
    kind: Kind
    accuracy: float
    """Share of test images classified rightly, 0 to 1."""
    predicted_latency_s: float
    """By the table; of MobileNetV2, which is of no space, as `latency_of` gives it."""
    measured_latency_s: float | None = None
    """On the target, where somebody has measured it."""
    macs: int
    parameters: int
    architecture: tuple[int, ...] | None
    """One candidate per choice of the space; None for a network of no space."""
    seconds: dict[str, float]
    """Spent on `search` and `training`, interruptions left out."""


class Baselines(Record):
    """All baselines of a search that are finished."""

    format: Literal["latkit-baselines-1"] = "latkit-baselines-1"
    records: tuple[BaselineRecord, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Baselines:
        """Those of a search's folder; none where it has none. Raises BadFile."""
        path = folder / BASELINES_FILE
        return load_record(cls, path) if path.exists() else cls()

    def with_record(self, record: BaselineRecord) -> Baselines:
        """These, and one more, or a newer one in the place of that of its name."""
        by_name = {other.name: other for other in self.records} | {record.name: record}
        return Baselines(records=tuple(by_name.values()))

    def named(self, name: str) -> BaselineRecord | None:
        """The finished baseline of a name."""
        return next((record for record in self.records if record.name == name), None)
