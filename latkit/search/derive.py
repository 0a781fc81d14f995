"""The derived network: the strongest path, repaired where it misses the latency target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from latkit.errors import TargetOutOfReach
from latkit.search.distribution import PathDistribution
from latkit.search.objective import check_target
from latkit.spaces import Architecture
from latkit.tables import LatencyTable

LEAST, MOST = 0.98, 1.01
"""A derived network's predicted latency, in targets: what counts as hitting the target."""

BINS = 4000
"""Steps from the fastest architecture to the latest latency allowed, in the repair's table of partial sums."""


@dataclass(frozen=True, slots=True)
class Derived:
    """An architecture taken from a distribution."""

    architecture: Architecture
    predicted_s: float
    """Seconds, by the table."""
    strongest_s: float
    """Seconds of the strongest path, before any repair."""
    swaps: int
    """Choices in which the architecture differs from the strongest path."""


def check_reach(table: LatencyTable, target_s: float) -> bool:
    """Whether the target binds at all: whether some architecture is slower.

    Raises UsageError for a target that is no positive number, TargetOutOfReach if every architecture is slower.
    """
    check_target(target_s)
    fastest_s, slowest_s = table.fastest(), table.slowest()
    if target_s < fastest_s:
        raise TargetOutOfReach(
            f"expected a latency target that space {table.space_name} can reach on this target, but found "
            f"{target_s * 1e3:.4g} ms; its networks take from {fastest_s * 1e3:.4g} to {slowest_s * 1e3:.4g} ms"
        )
    return target_s < slowest_s


def derive(distribution: PathDistribution, table: LatencyTable, target_s: float) -> Derived:
    """The strongest path if it takes 0.98 to 1.01 of the target, else the most probable path that does.

    Where no path lies between the two bounds: the most probable one that is no slower than the upper one. Where the
    target does not bind, the strongest path unless it is too slow. Raises what `check_reach` raises.
    """
    binding = check_reach(table, target_s)
    strongest = distribution.strongest()
    strongest_s = _seconds(table, strongest)
    least_s, most_s = (LEAST * target_s if binding else 0.0), MOST * target_s
    if least_s <= strongest_s <= most_s:
        return Derived(strongest, strongest_s, strongest_s, 0)
    log_probabilities = distribution.log_probabilities().detach().double().numpy()
    architecture = most_probable(log_probabilities, table, least_s, most_s)
    swaps = sum(one != other for one, other in zip(architecture, strongest, strict=True))
    return Derived(architecture, _seconds(table, architecture), strongest_s, swaps)


def _seconds(table: LatencyTable, architecture: Architecture) -> float:
    return float(table.lookup(torch.tensor(architecture)))


def most_probable(
    log_probabilities: NDArray[np.float64], table: LatencyTable, least_s: float, most_s: float
) -> Architecture:
    """The path with the largest sum of log-probabilities whose seconds lie within bounds.

    A multiple-choice knapsack, solved by dynamic programming over the choices: of all partial paths whose latencies
    fall into the same of `BINS` bins, the most probable is kept, with its latency as it is, not as the bin has it. A
    path within the upper bound always comes out if there is one; the lower bound gives way if nothing meets it.
    """
    extra = (table.seconds - _row_minima(table)).cpu().numpy()
    standing = table.mask.cpu().numpy()
    fastest_s = table.fastest()
    slack = max(most_s - fastest_s, 0.0)
    width = slack / BINS or 1.0
    scores, sums = np.zeros(1), np.zeros(1)
    steps: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for row, seconds, stands in zip(log_probabilities, extra, standing, strict=True):
        candidates = np.flatnonzero(stands)
        parents = np.repeat(np.arange(len(scores)), len(candidates))
        chosen = np.tile(candidates, len(scores))
        new_sums = sums[parents] + seconds[chosen]
        new_scores = scores[parents] + row[chosen]
        kept = _best_per_bin(new_sums, new_scores, width, slack)
        scores, sums = new_scores[kept], new_sums[kept]
        steps.append((parents[kept], chosen[kept]))
    within = np.flatnonzero(sums + fastest_s >= least_s)
    pool = within if len(within) else np.arange(len(sums))
    return _trace(steps, int(pool[np.argmax(scores[pool])]))


def _row_minima(table: LatencyTable) -> torch.Tensor:
    return table.seconds.masked_fill(~table.mask, torch.inf).amin(-1, keepdim=True)


def _best_per_bin(
    sums: NDArray[np.float64], scores: NDArray[np.float64], width: float, slack: float
) -> NDArray[np.int64]:
    """Positions of the best score in every bin; of equal scores, the faster. Sums beyond the slack are left out."""
    # the rounding of a handful of additions must not shut out the fastest path
    allowed = np.flatnonzero(sums <= slack * (1 + 1e-9) + 1e-15)
    bins = np.floor(sums[allowed] / width)
    order = np.lexsort((sums[allowed], -scores[allowed], bins))
    _, first = np.unique(bins[order], return_index=True)
    return allowed[order[first]]


def _trace(steps: list[tuple[NDArray[np.int64], NDArray[np.int64]]], position: int) -> Architecture:
    """Walk back from a final state to the candidates that led there."""
    architecture: list[int] = []
    for parents, chosen in reversed(steps):
        architecture.append(int(chosen[position]))
        position = int(parents[position])
    return tuple(reversed(architecture))
