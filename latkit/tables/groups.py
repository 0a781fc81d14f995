"""Groups: neighboring choices summed in advance, so that an architecture takes a few lookups instead of one per
choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from latkit.errors import UsageError

Floats = NDArray[np.float64]

LARGEST = 4096
"""Maximum entries of one group: a group of doubles fits a core's nearest cache."""

OUTSIDE = "an architecture names a candidate that does not stand in its layer"

BLOCK = 1 << 15
"""Number of architectures looked up at once: intermediate values stay in the cache."""


@dataclass(frozen=True, slots=True)
class Group:
    """Neighboring choices, and the sum for every combination of their candidates, the last varying fastest."""

    choices: range
    sums: Floats


@dataclass(frozen=True, slots=True)
class Groups:
    """The sums of a table, grouped."""

    sizes: NDArray[np.int64]
    """Candidates of each choice, shape (choices,)."""
    groups: tuple[Group, ...]

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]]) -> Self:
        """Group a table that has one row per choice and one number per candidate."""
        groups: list[Group] = []
        begin = 0
        while begin < len(rows):
            end = begin + 1
            while end < len(rows) and math.prod(len(row) for row in rows[begin : end + 1]) <= LARGEST:
                end += 1
            sums = np.zeros(1)
            for row in rows[begin:end]:
                sums = (sums[:, None] + np.asarray(row, dtype=np.float64)).ravel()
            groups.append(Group(range(begin, end), sums))
            begin = end
        return cls(np.array([len(row) for row in rows]), tuple(groups))

    def totals(self, architectures: NDArray[np.integer]) -> Floats:
        """Sum of every architecture, shape (n,), of candidates' indices of any integer type, shape (n, choices).

        Single-threaded: it is bound by memory, and several threads make it slower. Raises UsageError for an index
        without a candidate.
        """
        totals = np.empty(len(architectures))
        largest = self.sizes.max()
        kind = np.int16 if largest <= LARGEST else np.int64
        for begin in range(0, len(architectures), BLOCK):
            block = architectures[begin : begin + BLOCK]
            if block.min() < 0 or block.max() >= largest:
                raise UsageError(OUTSIDE)
            columns = np.ascontiguousarray(block.astype(np.min_scalar_type(largest)).T)
            if (columns.max(axis=1) >= self.sizes).any():
                raise UsageError(OUTSIDE)
            totals[begin : begin + BLOCK] = self._sum(columns.astype(kind))
        return totals

    def _sum(self, columns: NDArray[np.signedinteger]) -> Floats:
        total = np.zeros(columns.shape[1])
        for group in self.groups:
            index = columns[group.choices[0]]
            for choice in group.choices[1:]:
                index = index * columns.dtype.type(self.sizes[choice]) + columns[choice]
            total += group.sums.take(index)
        return total
