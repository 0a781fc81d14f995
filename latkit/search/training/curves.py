"""Curves: the history of a search as JSON, and for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from latkit._io import write_record
from latkit.search.training.trainer import Row
from latkit.spaces import Space

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FORMAT = "latkit-search-history-1"


class Curves:
    """Rows of both phases, one per epoch. Rows from before an interruption are read from the checkpoint."""

    def __init__(self, writer: SummaryWriter | None, space: Space, rows: dict[str, list[Row]] | None = None) -> None:
        self.rows: dict[str, list[Row]] = rows or {"search": [], "training": []}
        self._names = [choice.name for choice in space.choices]
        self._writer = writer

    def note(self, phase: str, row: Row, seconds: float) -> None:
        """Append a row, and in the first process write it for TensorBoard if there is a writer.

        `seconds` spent in the phase go to TensorBoard alone: the history is the same on every repetition.
        """
        self.rows[phase].append(row)
        self._write(phase, row, {"seconds": seconds})

    def take_over(self, rows: dict[str, list[Row]]) -> None:
        """Begin with the rows of another search's warm-up, without their seconds, which that search counts."""
        self.rows = rows
        for phase, taken in rows.items():
            for row in taken:
                self._write(phase, row, {})

    def _write(self, phase: str, row: Row, further: dict[str, float]) -> None:
        if self._writer is None:
            return
        for tag, value in (_scalars(row, self._names) | further).items():
            self._writer.add_scalar(f"{phase}/{tag}", value, row["epoch"])
        self._writer.flush()  # an epoch may be the last before the process is killed

    def save(self, path: Path) -> None:
        """Write the history as JSON."""
        write_record(path, {"format": FORMAT, "choices": self._names, **self.rows})


def _scalars(row: Row, names: list[str]) -> dict[str, Any]:
    """The row's numbers by tag; probabilities as `probability/LAYER/CANDIDATE`."""
    scalars = {name: value for name, value in row.items() if isinstance(value, float)}
    for name, probabilities in zip(names, row.get("probabilities", []), strict=False):
        scalars |= {f"probability/{name}/{index}": value for index, value in enumerate(probabilities)}
    return scalars
