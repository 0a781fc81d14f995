"""Evaluation by a table: what others measured, looked up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from latkit._io.arrays import Floats
from latkit.errors import UsageError
from latkit.search.evaluators.base import Evaluator, Range
from latkit.search.evaluators.verdict import Verdict
from latkit.spaces.base import Architecture


@dataclass(frozen=True)
class Table:
    """Columns of numbers, with one row per architecture."""

    name: str
    """Of the benchmark and its data."""
    rows: Mapping[Architecture, int]
    columns: Mapping[str, Floats]
    """By quantity; shape (rows,), or (rows, efforts) where it depends on the effort."""
    efforts: tuple[float, ...] = ()
    """Epochs of training."""
    test: Mapping[str, Floats] = field(default_factory=dict)
    """Columns that judge a search when it is over. No strategy sees them."""
    partial: frozenset[str] = frozenset()
    """Columns that may lack values (NaN): verdicts of those rows lack the quantity."""

    def __post_init__(self) -> None:
        for name, values in (*self.columns.items(), *self.test.items()):
            expected = [(len(self.rows),), (len(self.rows), len(self.efforts))]
            if values.shape not in expected[: 2 if self.efforts else 1]:
                raise UsageError(f"{self.name}: expected {name} of shape {expected[0]}, but found {values.shape}")
            finite = np.isfinite(values) | (np.isnan(values) & (name in self.partial))
            if not finite.all():
                row = int(np.argmin(finite.reshape(len(values), -1).all(axis=1)))
                raise UsageError(
                    f"{self.name}: expected a finite {name} in every row, but found none in row {row} "
                    f"({np.count_nonzero(~finite)} values are missing)"
                )


class TabularEvaluator(Evaluator):
    """Looks architectures up in a table. One that is not in it is a failure, which costs nothing."""

    def __init__(self, table: Table, names: Sequence[str] = ()) -> None:
        """`names` are the quantities of the verdicts; all columns without any. Raises UsageError for an unknown one."""
        self.name, self.efforts, self.table = table.name, table.efforts, table
        for name in names:
            if name not in table.columns:
                raise UsageError(f"unknown quantity {name}; {table.name} has: {', '.join(table.columns)}")
        self._names = tuple(dict.fromkeys(names)) or tuple(table.columns)
        self._verdicts: dict[tuple[Architecture, int], Verdict] = {}

    @property
    def quantities(self) -> tuple[str, ...]:
        """Columns of the table."""
        return self._names

    @property
    def ranges(self) -> Mapping[str, Range]:
        """Those of the columns."""
        columns = {name: self.table.columns[name] for name in self._names}
        return {name: (float(np.nanmin(values)), float(np.nanmax(values))) for name, values in columns.items()}

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        """One verdict per architecture; each costs one evaluation and the epochs of its effort."""
        at = self.effort_index(effort)
        return [self._verdict(one, at) for one in architectures]

    def test_quantities(self, architecture: Architecture) -> dict[str, float]:
        """The quantities that judge an architecture after a search. Raises UsageError for one not in the table."""
        row = self.table.rows.get(architecture)
        if row is None:
            raise UsageError(f"{self.name}: expected an architecture of the table, but found {architecture}")
        return {name: float(values[row]) for name, values in self.table.test.items()}

    def _verdict(self, architecture: Architecture, at: int) -> Verdict:
        key = architecture, at
        found = self._verdicts.get(key)
        if found is None:
            found = self._verdicts[key] = self._look_up(architecture, at)
        return found

    def _look_up(self, architecture: Architecture, at: int) -> Verdict:
        row = self.table.rows.get(architecture)
        if row is None:
            return Verdict.failed(f"{architecture} is not in the table {self.name}", evaluations=0.0)
        columns = ((name, self.table.columns[name][row]) for name in self._names)
        values = {name: float(value if np.ndim(value) == 0 else value[at]) for name, value in columns}
        epochs = {"epochs": self.efforts[at]} if self.efforts else {}
        return Verdict({name: n for name, n in values.items() if not math.isnan(n)}, {"evaluations": 1.0, **epochs})
