"""Pair terms: costs that depend on two neighboring choices, and dynamic programming over the chain with them.

An example is the conversion between the precisions of a producer and its consumer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from latkit._io.arrays import Bools, Floats
from latkit.errors import UsageError
from latkit.tables.cost_table import check_value

PairRows = Sequence[Sequence[Sequence[float]] | None]
"""For every choice but the last, the cost of each of its candidates (rows) with each of the next choice's (columns).

None where the two choices cost nothing together; empty where no choices do.
"""

Pairs = tuple[Floats | None, ...]
"""The same as arrays."""


def checked_pairs(pairs: PairRows, rows: Sequence[Sequence[float]], space_name: str) -> Pairs:
    """Pair terms as arrays; empty if all are zero. Raises UsageError where they do not fit the rows of a table."""
    if not len(pairs):
        return ()
    if len(pairs) != len(rows) - 1:
        raise UsageError(f"expected pair terms of {len(rows) - 1} neighboring choices, but found {len(pairs)}")
    found = tuple(_checked(pair, len(rows[n]), len(rows[n + 1]), space_name) for n, pair in enumerate(pairs))
    return found if any(pair is not None for pair in found) else ()


def _checked(pair: Sequence[Sequence[float]] | None, before: int, after: int, space_name: str) -> Floats | None:
    if pair is None:
        return None
    if [len(row) for row in pair] != [after] * before:
        raise UsageError(f"expected pair terms of shape ({before}, {after}) for two neighboring choices")
    for value in (value for row in pair for value in row):
        check_value(value, space_name)
    found = np.array(pair, dtype=np.float64)
    return found if found.any() else None


def padded(pairs: Pairs, width: int) -> Tensor | None:
    """All pair terms as one tensor of shape (choices - 1, width, width), zero where there are none."""
    if not pairs:
        return None
    tensor = torch.zeros((len(pairs), width, width), dtype=torch.float64)
    for place, pair in enumerate(pairs):
        if pair is not None:
            tensor[place, : pair.shape[0], : pair.shape[1]] = torch.from_numpy(pair)
    return tensor


def steps_above_min(values: Floats, allowed: Bools, pairs: Pairs) -> tuple[list[Floats], list[float]]:
    """What each candidate adds to the minimum that the path before it can reach, and the minima to sum up.

    `values` and `allowed` have shape (choices, candidates). Backward dynamic programming: the cost to go after a
    candidate is the minimum, over the next choice, of its pair term, its value and its own cost to go. Steps have shape
    (1, candidates) where the candidate before makes no difference, (candidates before, candidates) where it does.
    """
    costs = np.where(allowed, values, np.inf)
    steps, minima = [], []
    for place in reversed(range(len(costs))):
        pair = pairs[place - 1] if pairs and place else None
        if pair is None:
            minima.append(float(costs[place].min()))
            steps.append((costs[place] - minima[-1])[None])
            continue
        joint = np.full((costs.shape[1],) * 2, np.inf)
        joint[: pair.shape[0], : pair.shape[1]] = pair
        joint += costs[place]
        to_go = joint[: pair.shape[0]].min(axis=1)
        costs[place - 1, : pair.shape[0]] += to_go
        joint[: pair.shape[0]] -= to_go[:, None]
        steps.append(joint)
    return steps[::-1], minima[::-1]
