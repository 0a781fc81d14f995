"""The most probable paths within bounds: candidates to replace an infeasible most probable path."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latkit.search.objectives.constraints import Constraint
from latkit.spaces import Architecture
from latkit.tables import AdditiveTable, LatencyTable, PeakTable

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

EXACT = 5_000
"""Maximum number of partial paths up to which the search is exhaustive."""

BINS = 4000
"""Number of bins from the fastest architecture to the maximum latency."""

BINS_WITH_CONSTRAINTS, CELLS = 100, 3_000
"""With constraints, the number of bins of latency, and of latency and constraints together."""

ROUNDING = 1e-12
"""Relative tolerance for rounding in sums: the smallest path must not be excluded by it."""


def k_best_paths(
    log_probabilities: Floats,
    table: LatencyTable,
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
    each bin are carried on, with exact sums. With constraints, every bin of latency also carries on the path that is
    furthest from its constraints.
    """
    valid = _valid_candidates(table, constraints)
    if not valid.any(1).all():
        return []
    bounded: list[tuple[AdditiveTable, float]] = [(table, max_s)]
    bounded += [
        (constraint.table, constraint.max_value)
        for constraint in constraints
        if isinstance(constraint.table, AdditiveTable)
    ]
    bounds = np.array([bound for _, bound in bounded])
    extras, min_totals = zip(*(_above_min(one, valid) for one, _ in bounded), strict=True)  # (choices, candidates) each
    slacks = bounds * (1 + ROUNDING) - np.array(min_totals)
    scores, sums = np.zeros(1), np.zeros((1, len(bounded)))
    steps: list[tuple[Indices, Indices]] = []
    for row, is_valid, *extra in zip(log_probabilities, valid, *extras, strict=True):
        candidates = np.flatnonzero(is_valid)
        parents = np.repeat(np.arange(len(scores)), len(candidates))
        chosen = np.tile(candidates, len(scores))
        sums = sums[parents] + np.stack(extra, 1)[chosen]
        scores = scores[parents] + row[chosen]
        selected = _prune(sums, scores, slacks, count)
        scores, sums = scores[selected], sums[selected]
        steps.append((parents[selected], chosen[selected]))
    within = np.flatnonzero(sums[:, 0] + min_totals[0] >= min_s)
    pool = within if len(within) else np.arange(len(sums))
    best = pool[np.lexsort((_usage(sums[pool], slacks), -scores[pool]))[:count]]
    return [_trace(steps, int(position)) for position in best]


def _valid_candidates(table: LatencyTable, constraints: Sequence[Constraint]) -> NDArray[np.bool_]:
    """The candidates that do not exceed a constraint on a peak by themselves, shape (choices, candidates)."""
    valid: NDArray[np.bool_] = table.mask.cpu().numpy().copy()
    for constraint in constraints:
        if isinstance(constraint.table, PeakTable):
            valid &= constraint.table.values.cpu().numpy() <= constraint.max_value
            valid &= bool(constraint.table.base <= constraint.max_value)
    return valid


def _above_min(table: AdditiveTable, valid: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Every candidate's excess over the minimum of its layer, and the sum of the minima."""
    values = np.where(valid, table.values.cpu().numpy(), np.inf)
    row_min = values.min(1)
    return values - row_min[:, None], float(table.base) + float(row_min.sum())


def _prune(sums: Floats, scores: Floats, slacks: Floats, count: int) -> Indices:
    """Positions of the partial paths to carry on, of sums (paths, bounds) and scores (paths,)."""
    allowed = np.flatnonzero((sums <= slacks).all(1))
    if len(allowed) <= EXACT:
        return allowed
    sums, scores = sums[allowed], scores[allowed]
    cells, usage = _cells(sums, slacks), _usage(sums, slacks)
    selected = _first_of_cells(cells, np.lexsort((usage, -scores, cells)), count)
    if len(slacks) > 1:
        latency = _cells(sums[:, :1], slacks[:1])
        min_usage = _first_of_cells(latency, np.lexsort((_usage(sums[:, 1:], slacks[1:]), latency)), count)
        selected = np.union1d(selected, min_usage)
    return allowed[selected]


def _cells(sums: Floats, slacks: Floats) -> Indices:
    """One bin number per path, shape (paths,)."""
    bins = np.full(len(slacks), BINS)
    if len(slacks) > 1:
        bins[0] = BINS_WITH_CONSTRAINTS
        bins[1:] = int((CELLS / BINS_WITH_CONSTRAINTS) ** (1 / (len(slacks) - 1)))
    widths = np.where(slacks > 0, slacks, 1.0) / bins
    positions = np.minimum(np.floor(sums / widths).astype(np.int64), bins - 1)
    cells: Indices = positions @ np.r_[1, np.cumprod(bins[:-1])]
    return cells


def _usage(sums: Floats, slacks: Floats) -> Floats:
    """The largest share of its slack that a path has used, shape (paths,)."""
    fractions: Floats = (sums / np.where(slacks > 0, slacks, 1.0)).max(1)
    return fractions


def _first_of_cells(cells: Indices, order: Indices, count: int) -> Indices:
    """The first `count` positions of every bin, in an order that sorts by bin first."""
    ordered = cells[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank = np.arange(len(order)) - np.repeat(begins, np.diff(np.r_[begins, len(order)]))
    selected: Indices = order[rank < count]
    return selected


def _trace(steps: list[tuple[Indices, Indices]], position: int) -> Architecture:
    """Backtrack from a final state to the candidates on its path."""
    architecture: list[int] = []
    for parents, chosen in reversed(steps):
        architecture.append(int(chosen[position]))
        position = int(parents[position])
    return tuple(reversed(architecture))
