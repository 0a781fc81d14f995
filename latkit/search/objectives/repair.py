"""The most probable paths within bounds: candidates to replace an infeasible most probable path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from latkit._io.arrays import Bools, Floats, Integers
from latkit.search.objectives.constraints import Constraint
from latkit.spaces import Architecture
from latkit.tables import CostTable

EXACT = 5_000
"""Maximum number of partial paths up to which the search is exhaustive."""

BINS = 4000
"""Number of bins from the fastest architecture to the maximum latency."""

BINS_WITH_CONSTRAINTS, CELLS = 100, 3_000
"""With constraints, the number of bins of latency, and of latency and constraints together."""

MIN_BINS = 50
"""Minimum number of bins of latency for each last candidate, where the bins are divided among them."""

ROUNDING = 1e-12
"""Relative tolerance for rounding in sums: the smallest path must not be excluded by it."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Upper bounds on sums over a path, the latency's first."""

    steps: list[list[Floats]]
    """By choice and bound: what each candidate adds to the minimum, as `CostTable.excess` gives it."""
    min_totals: Floats
    """The minimum of every bounded sum, shape (bounds,)."""
    slacks: Floats
    """How far a sum may exceed its minimum, shape (bounds,)."""

    @classmethod
    def of(cls, table: CostTable, max_s: float, constraints: Sequence[Constraint], allowed: Bools) -> Self:
        """The bounds on latency and constraints; of a constraint that allowed candidates always meet, there is none."""
        excesses = [(table.excess(allowed), max_s)]
        of_constraints = ((each.table.excess(allowed), each.max_value) for each in constraints)
        excesses += [found for found in of_constraints if any(step.any() for step in found[0][0])]
        min_totals = np.array([min_total for (_, min_total), _ in excesses])
        slacks = np.array([bound for _, bound in excesses]) * (1 + ROUNDING) - min_totals
        by_choice = zip(*(steps for (steps, _), _ in excesses), strict=True)
        return cls([list(steps) for steps in by_choice], min_totals, slacks)

    def added(self, choice: int, last: Integers, chosen: Integers) -> Floats:
        """What candidates add after the candidates `last` of the choice before, shape (paths, bounds)."""
        return np.stack([step[np.minimum(last, len(step) - 1), chosen] for step in self.steps[choice]], 1)

    def depends_on(self, choice: int) -> bool:
        """Whether what the next choice adds depends on this choice."""
        return choice + 1 < len(self.steps) and any(len(step) > 1 for step in self.steps[choice + 1])


def k_best_paths(
    log_probabilities: Floats,
    table: CostTable,
    min_s: float,
    max_s: float,
    constraints: Sequence[Constraint] = (),
    count: int = 1,
) -> list[Architecture]:
    """The `count` paths with the largest sums of log-probabilities that lie within bounds, most probable first.

    Their seconds lie from `min_s` to `max_s`, and they meet the constraints. The lower bound is dropped if no path
    meets all bounds; the result is empty where no path meets the upper ones.

    A multiple-choice knapsack, solved by dynamic programming over the choices. Up to `EXACT` partial paths, all that
    may still meet the upper bounds are carried on. Beyond, sums fall into bins, and the most probable partial paths of
    each bin are carried on, with exact sums; where pair terms follow, of each bin and last candidate. With constraints,
    every bin of latency also carries on the path that is furthest from its constraints.
    """
    allowed = table.mask.cpu().numpy().copy()
    for constraint in constraints:
        allowed &= constraint.table.allowed(constraint.max_value)
    if not allowed.any(1).all():
        return []
    bounds = _Bounds.of(table, max_s, constraints, allowed)
    paths = _Paths.start(len(bounds.slacks))
    trail: list[tuple[Integers, Integers]] = []
    for choice, row in enumerate(log_probabilities):
        paths, parents = _extend(paths, row, np.flatnonzero(allowed[choice]), bounds, choice)
        selected = _prune(paths, bounds.slacks, count, bounds.depends_on(choice))
        paths = paths.select(selected)
        trail.append((parents[selected], paths.last))
    within = np.flatnonzero(paths.sums[:, 0] + bounds.min_totals[0] >= min_s)
    pool = within if len(within) else np.arange(len(paths.sums))
    best = pool[np.lexsort((_usage(paths.sums[pool], bounds.slacks), -paths.scores[pool]))[:count]]
    return [_trace(trail, int(position)) for position in best]


@dataclass(frozen=True, slots=True)
class _Paths:
    """Partial paths."""

    scores: Floats
    """Sums of log-probabilities, shape (paths,)."""
    sums: Floats
    """Shape (paths, bounds): how far each bounded sum exceeds its minimum."""
    last: Integers
    """The last candidate, shape (paths,)."""

    @classmethod
    def start(cls, bounds: int) -> Self:
        """The empty path."""
        return cls(np.zeros(1), np.zeros((1, bounds)), np.zeros(1, dtype=np.int64))

    def select(self, places: Integers) -> _Paths:
        """The paths at these places."""
        return _Paths(self.scores[places], self.sums[places], self.last[places])


def _extend(
    paths: _Paths, log_probabilities: Floats, candidates: Integers, bounds: _Bounds, choice: int
) -> tuple[_Paths, Integers]:
    """Every path with every candidate of the next choice, and the positions of their parents."""
    parents = np.repeat(np.arange(len(paths.scores)), len(candidates))
    chosen = np.tile(candidates, len(paths.scores))
    sums = paths.sums[parents] + bounds.added(choice, paths.last[parents], chosen)
    return _Paths(paths.scores[parents] + log_probabilities[chosen], sums, chosen), parents


def _prune(paths: _Paths, slacks: Floats, count: int, by_last: bool) -> Integers:
    """Positions of the partial paths to carry on; with `by_last`, some for every last candidate."""
    allowed = np.flatnonzero((paths.sums <= slacks).all(1))
    if len(allowed) <= EXACT:
        return allowed
    paths = paths.select(allowed)
    sums, last = paths.sums, paths.last if by_last else np.zeros_like(paths.last)
    cells, usage = _cells(sums, slacks, last), _usage(sums, slacks)
    selected = _first_of_cells(cells, np.lexsort((usage, -paths.scores, cells)), count)
    if len(slacks) > 1:
        latency = _cells(sums[:, :1], slacks[:1], last)
        min_usage = _first_of_cells(latency, np.lexsort((_usage(sums[:, 1:], slacks[1:]), latency)), count)
        selected = np.union1d(selected, min_usage)
    return allowed[selected]


def _cells(sums: Floats, slacks: Floats, last: Integers) -> Integers:
    """One bin number per path, shape (paths,): a bin of the sums for every last candidate."""
    bins = np.full(len(slacks), BINS)
    if len(slacks) > 1:
        bins[0] = BINS_WITH_CONSTRAINTS
        bins[1:] = int((CELLS / BINS_WITH_CONSTRAINTS) ** (1 / (len(slacks) - 1)))
    bins[0] = max(bins[0] // (int(last.max()) + 1), MIN_BINS)
    widths = np.where(slacks > 0, slacks, 1.0) / bins
    positions = np.minimum(np.floor(sums / widths).astype(np.int64), bins - 1)
    cells: Integers = positions @ np.r_[1, np.cumprod(bins[:-1])] + int(np.prod(bins)) * last
    return cells


def _usage(sums: Floats, slacks: Floats) -> Floats:
    """The largest share of its slack that a path has used, shape (paths,)."""
    fractions: Floats = (sums / np.where(slacks > 0, slacks, 1.0)).max(1)
    return fractions


def _first_of_cells(cells: Integers, order: Integers, count: int) -> Integers:
    """The first `count` positions of every bin, in an order that sorts by bin first."""
    ordered = cells[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank = np.arange(len(order)) - np.repeat(begins, np.diff(np.r_[begins, len(order)]))
    selected: Integers = order[rank < count]
    return selected


def _trace(steps: list[tuple[Integers, Integers]], position: int) -> Architecture:
    """Backtrack from a final state to the candidates on its path."""
    architecture: list[int] = []
    for parents, chosen in reversed(steps):
        architecture.append(int(chosen[position]))
        position = int(parents[position])
    return tuple(reversed(architecture))
