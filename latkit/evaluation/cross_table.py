"""The cross table as a record: networks by targets, saved as a file so that a report needs no device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from latkit._io import write_record
from latkit.search.records.base import load_record
from latkit.search.records.recipe import DataFacts
from latkit.search.tasks import Scored

CROSS_FILE = "cross.json"
"""In the folder of a search or a series: the cross table of its networks."""

Kind = Literal["derived", "zoo", "baseline"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cell(_Record):
    """One network on one target. Unknown values are None, and `reason` explains why nothing was measured."""

    predicted_ms: float | None = None
    first_ms: float | None = None
    second_ms: float | None = None
    reason: str = ""

    @property
    def measured_ms(self) -> float | None:
        """Mean of the two measurements."""
        return None if self.first_ms is None or self.second_ms is None else (self.first_ms + self.second_ms) / 2

    def clearly_below(self, other: Cell) -> bool:
        """Whether both measurements here are below both of the other: a difference beyond repeatability."""
        if self.first_ms is None or self.second_ms is None or other.first_ms is None or other.second_ms is None:
            return False
        return max(self.first_ms, self.second_ms) < min(other.first_ms, other.second_ms)


class Row(Scored, _Record):
    """One network on all targets."""

    name: str
    kind: Kind
    target: str
    """The target that it was searched for; empty if there was none."""
    target_latency_ms: float | None
    score: float | None
    """On its search's test images; None for a network that was not trained here."""
    data: DataFacts | None = None
    """The images it was trained and tested on; None if it was not, or by an older latkit."""
    input_shape: tuple[int, ...]
    macs: int
    parameters: int
    key: str
    cells: dict[str, Cell]
    """By target."""

    def same_data(self, other: Row) -> bool:
        """Whether the scores are of the same images, wherever these were stored."""
        mine, theirs = (row.data and row.data.model_copy(update={"source": ""}) for row in (self, other))
        return mine == theirs


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether a network is, on its own target, at least as fast as equally accurate networks made for others.

    Only networks trained and tested on the same images, of the same resolution, are compared.
    """

    target: str
    network: str
    holds: bool | None
    """None if it was not measured there, or no network of the same images was made for another target."""
    statement: str


class CrossTable(_Record):
    """Networks by targets."""

    format: Literal["latkit-cross-table-1"] = "latkit-cross-table-1"
    name: str
    targets: tuple[str, ...]
    emulated: tuple[str, ...] = ()
    """Those of the targets that are emulators: their latencies are no phone's."""
    rows: tuple[Row, ...]

    @model_validator(mode="after")
    def _has_every_cell(self) -> CrossTable:
        for row in self.rows:
            if missing := [target for target in self.targets if target not in row.cells]:
                raise ValueError(f"expected {row.name} on {missing[0]}, but found no cell")
        return self

    @classmethod
    def load(cls, path: Path) -> CrossTable:
        """Read from JSON. Raises BadFile."""
        return load_record(cls, path, "a cross table")

    def save(self, folder: Path) -> Path:
        """Write atomically as JSON into a search's or a series' folder, and return the path."""
        path = folder / CROSS_FILE
        write_record(path, self.model_dump(mode="json"))
        return path

    def document(self) -> dict[str, Any]:
        """The figures that the command line prints."""
        return {
            "targets": list(self.targets),
            "emulated": list(self.emulated),
            "networks": [
                {
                    **row.model_dump(mode="json", exclude={"cells", "key", "data"}),
                    "data": row.data.name if row.data else None,
                    "latencies_ms": {
                        target: {"predicted": cell.predicted_ms, "measured": cell.measured_ms, "reason": cell.reason}
                        for target, cell in row.cells.items()
                    },
                }
                for row in self.rows
            ],
            "own_target": [
                {"target": claim.target, "network": claim.network, "holds": claim.holds, "words": claim.statement}
                for claim in self.claims()
            ],
        }

    def claims(self) -> Iterator[Claim]:
        """What the table shows about every network that was made for one of its targets."""
        for row in self.rows:
            if row.target in self.targets:
                yield self._claim(row)

    def _claim(self, own: Row) -> Claim:
        target, cell = own.target, own.cells[own.target]
        if cell.measured_ms is None or own.score is None:
            return Claim(target, own.name, None, f"{own.name} was not measured on {target}")
        others = [row for row in self.rows if row.target not in ("", target) and row.cells[target].measured_ms]
        others = [row for row in others if row.same_data(own) and row.task == own.task]
        if not others:
            nothing = f"nothing made for another target on the same images was measured on {target}"
            return Claim(target, own.name, None, nothing)
        metric, minimum = own.metric, own.metric.rank(own.score)
        ahead = [
            f"{row.name}, made for {row.target}, is as accurate there and faster: "
            f"{row.cells[target].measured_ms:.4g} ms at {metric.format(row.score)}"
            for row in others
            if row.score is not None and metric.rank(row.score) >= minimum and row.cells[target].clearly_below(cell)
        ]
        statement = f"{own.name} takes {cell.measured_ms:.4g} ms on its own {target} at {metric.format(own.score)}; "
        found = "; ".join(ahead) or "nothing made for another target is as accurate there and faster"
        return Claim(target, own.name, not ahead, statement + found)
