"""Groups: neighboring choices summed in advance, so that an architecture takes a few lookups instead of one per
choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from latkit._io.arrays import Floats, Integers
from latkit.errors import UsageError
from latkit.tables.pairs import Pairs

LARGEST = 4096
"""Maximum entries of one group: a group of doubles fits a core's nearest cache."""

MAX_SHORT = 2**15
"""Maximum entries of a group that 16-bit integers can index."""

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

    sizes: Integers
    """Candidates of each choice, shape (choices,)."""
    groups: tuple[Group, ...]

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]], pairs: Pairs = ()) -> Self:
        """Group a table that has one row per choice and one number per candidate, and pair terms or none.

        Where two groups have a pair term between them, the second begins with the last choice of the first.
        """
        groups: list[Group] = []
        begin = 0
        while begin < len(rows):
            overlaps = begin > 0 and bool(pairs) and pairs[begin - 1] is not None
            first = begin - overlaps
            # (combinations of the choices before the last, candidates of the last)
            sums = np.zeros((1, len(rows[first]))) if overlaps else np.array([rows[first]], dtype=np.float64)
            end = first + 1
            while end < len(rows) and (end == begin or sums.size * len(rows[end]) <= LARGEST):
                pair = pairs[end - 1] if pairs else None
                row = np.asarray(rows[end], dtype=np.float64)
                sums = (sums[:, :, None] + (row if pair is None else row + pair)).reshape(-1, len(row))
                end += 1
            groups.append(Group(range(first, end), sums.ravel()))
            begin = end
        return cls(np.array([len(row) for row in rows]), tuple(groups))

    def totals(self, architectures: NDArray[np.integer]) -> Floats:
        """Sum of every architecture, shape (n,), of candidates' indices of any integer type, shape (n, choices).

        Single-threaded: it is bound by memory, and several threads make it slower. Raises UsageError for an index
        without a candidate.
        """
        totals = np.empty(len(architectures))
        largest = self.sizes.max()
        kind = np.int16 if max(len(group.sums) for group in self.groups) <= MAX_SHORT else np.int64
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
