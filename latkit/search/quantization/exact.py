"""The best policy under a bound, by dynamic programming over the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latkit._io.arrays import Floats
from latkit.errors import UsageError
from latkit.search.quantization.problem import PolicyProblem
from latkit.spaces import Architecture

CELLS = 4096
"""Cells of the grid over the budget. Prefixes in one cell differ in cost by less than 1/4096 of what may be spent."""

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Front:
    """Prefixes of policies that end in one option: each costs more than the one before it, and is worth more."""

    costs: Floats
    scores: Floats
    parents: Indices
    """For each prefix, its option of the choice before and its number in that option's front: shape (prefixes, 2)."""


def best_policy(problem: PolicyProblem, scores: Sequence[Sequence[float]]) -> Architecture:
    """The policy of the greatest sum of scores whose cost meets the bound. `scores`: one row per choice.

    For every option of a choice, the Pareto front of the prefixes that end in it: no prefix outside it can be part of
    a better policy, because the cost of what follows, pair terms included, depends on that option alone. A front keeps
    one prefix in each cell of a grid over the budget, with its true cost. So the result always meets the bound, and it
    is the optimum where fronts are no longer than the grid; else it is at least the optimum of a budget that is
    smaller by one cell per choice.
    """
    if [len(row) for row in scores] != [len(row) for row in problem.rows]:
        raise UsageError("expected a score for every option of every choice")
    start = _Front(np.array([problem.base]), np.zeros(1), np.zeros((1, 2), dtype=np.int64))
    fronts: list[list[_Front]] = []
    for place, row in enumerate(scores):
        pair = problem.pairs[place - 1] if place else None
        joined = None if pair is not None else _joined(fronts[-1] if fronts else [start])
        found = []
        for at, score in enumerate(row):
            before = joined or _joined(fronts[-1], pair[:, at])  # type: ignore[index]
            added = float(problem.rows[place][at])
            budget = problem.bound * (1 + 1e-12) - float(problem.costs_to_go[place][at]) - added
            front = _thinned(before, budget)
            found.append(_Front(front.costs + added, front.scores + score, front.parents))
        fronts.append(found)
    return _traced(fronts)


def _joined(fronts: Sequence[_Front], extra: Floats | None = None) -> _Front:
    """The prefixes of all options of a choice, each with what its option costs with the next one."""
    extras = np.zeros(len(fronts)) if extra is None else extra
    joined = _Front(
        np.concatenate([one.costs + more for one, more in zip(fronts, extras, strict=True)]),
        np.concatenate([one.scores for one in fronts]),
        np.array([(at, n) for at, one in enumerate(fronts) for n in range(len(one.costs))], dtype=np.int64).reshape(
            -1, 2
        ),
    )
    return joined if extra is not None else _thinned(joined, np.inf)


def _thinned(front: _Front, budget: float) -> _Front:
    """The prefixes within a budget that no cheaper one equals in score, at most one in each cell."""
    costs, scores, parents = front.costs, front.scores, front.parents
    order = np.lexsort((-scores, costs))
    order = order[costs[order] <= budget]
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], scores[order]]))[:-1]
    order = order[scores[order] > best_before]
    if len(order) > CELLS:
        lowest = costs[order[0]]
        highest = min(budget, float(costs[order[-1]]))
        cells = np.minimum((costs[order] - lowest) / max(highest - lowest, 1e-300) * CELLS, CELLS - 1).astype(np.int64)
        order = order[np.append(cells[1:] != cells[:-1], True)]  # the last of a cell is worth the most
    return _Front(costs[order], scores[order], parents[order])


def _traced(fronts: Sequence[Sequence[_Front]]) -> Architecture:
    """The policy of the best prefix of the last choice."""
    ends = [(front.scores[-1], -at) for at, front in enumerate(fronts[-1]) if len(front.scores)]
    option = -max(ends)[1]
    number = len(fronts[-1][option].scores) - 1
    chosen = [option]
    for before in reversed(fronts[1:]):
        option, number = before[option].parents[number].tolist()
        chosen.append(option)
    return tuple(reversed(chosen))
