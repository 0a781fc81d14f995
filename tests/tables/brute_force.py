"""Random tables with pair terms, and their costs by the definition."""

import itertools
from collections.abc import Sequence

import numpy as np

from latkit.tables import AdditiveTable, LatencyTable, PairRows


def random_table(sizes: Sequence[int], seed: int, share: float = 0.7) -> LatencyTable:
    """A table with random numbers; that share of its neighbors have pair terms, of either sign."""
    rng = np.random.default_rng(seed)
    rows = [rng.uniform(0, 1, size).tolist() for size in sizes]
    pairs: PairRows = [
        rng.uniform(-1, 2, (before, after)).tolist() if rng.random() < share else None
        for before, after in itertools.pairwise(sizes)
    ]
    return LatencyTable.from_seconds("small", "key", rows, 5.0, pairs)


def cost(table: AdditiveTable, architecture: Sequence[int]) -> float:
    """The definition, written down once more."""
    rows, pairs = table.rows(), table.pair_rows() or [None] * (len(architecture) - 1)
    total = float(table.base) + sum(row[index] for row, index in zip(rows, architecture, strict=True))
    for pair, before, after in zip(pairs, architecture, architecture[1:], strict=False):
        total += 0.0 if pair is None else pair[before][after]
    return total


def every(table: AdditiveTable) -> list[tuple[int, ...]]:
    return list(itertools.product(*(range(len(row)) for row in table.rows())))
