"""Random architectures of a given latency, drawn uniformly even where they are rare."""

from __future__ import annotations

import random

import numpy as np

from latkit._io.arrays import Floats, Integers
from latkit.errors import TargetOutOfReach
from latkit.search.objectives.derivation import MAX_TARGET_SHARE, MIN_TARGET_SHARE, check_reach
from latkit.spaces import Architecture
from latkit.tables import LatencyTable

STEPS = 4000
"""Number of grains from the fastest architecture to the upper bound: latencies are counted in them."""

MAX_MISSED = 1000
"""After this many draws without a match, none is assumed to exist."""


class LatencySampler:
    """Draws architectures uniformly from all those whose latency, by a table, lies between two bounds in seconds.

    Exactly uniform: the number of ways to complete every partial path is counted by dynamic programming, with latencies
    rounded down to grains, and choices are drawn by these counts. The bounds are widened by the rounding error. A draw
    whose exact latency is outside the bounds is rejected: a few in a hundred, since the grains are small.

    Raises TargetOutOfReach where no architecture lies between the bounds.
    """

    def __init__(self, table: LatencyTable, min_s: float, max_s: float) -> None:
        self.table = table
        self.min_s, self.max_s = min_s, max_s
        steps, _ = table.excess(table.mask.cpu().numpy())
        fastest_s = table.fastest()
        grain_s = max(max_s - fastest_s, 1e-12) / STEPS
        self._grains = [_grains(step, grain_s) for step in steps]
        # rounding down hides less than a grain of each choice
        lowest = int((min_s - fastest_s) / grain_s) - len(steps) - 1
        self._ways = _ways(self._grains, max(lowest, 0))
        if not self._ways[0][0, 0] or not self._holds_any():
            raise TargetOutOfReach(
                f"expected an architecture of space {table.space_name} that takes {min_s * 1e3:.4g} to "
                f"{max_s * 1e3:.4g} ms, but found none; its networks take from {table.fastest() * 1e3:.4g} to "
                f"{table.slowest() * 1e3:.4g} ms"
            )

    def draw(self, rng: random.Random) -> Architecture:
        """One architecture."""
        while True:
            architecture = self._draw(rng)
            if self.holds(architecture):
                return architecture

    def holds(self, architecture: Architecture) -> bool:
        """Whether an architecture's latency lies between the bounds."""
        return self.min_s <= self.table.total(architecture) <= self.max_s

    def _draw(self, rng: random.Random) -> Architecture:
        """One whose latency in grains lies between the widened bounds."""
        spent, last = 0, 0
        chosen: list[int] = []
        for grains, ways in zip(self._grains, self._ways[1:], strict=True):
            after = spent + grains[min(last, len(grains) - 1)]
            rows = np.minimum(np.arange(len(after)), len(ways) - 1)
            weights = np.where(after <= STEPS, ways[rows, np.minimum(after, STEPS)], 0.0)
            (last,) = rng.choices(range(len(after)), weights.tolist())
            spent = int(after[last])
            chosen.append(last)
        return tuple(chosen)

    def _holds_any(self) -> bool:
        """Whether an architecture lies within the exact bounds, not only within the widened ones."""
        rng = random.Random(0)
        return any(self.holds(self._draw(rng)) for _ in range(MAX_MISSED))


def _grains(step: Floats, grain_s: float) -> Integers:
    """The grains that each candidate adds, shape (1 or candidates before, candidates); too many where there is none."""
    return np.minimum(np.floor(step / grain_s), STEPS + 1).astype(np.int64)


def _ways(grains: list[Integers], lowest: int) -> list[Floats]:
    """For every choice and every number of grains used before it, the number of ways to end within the bounds.

    Each of shape (1 or candidates of the choice before, grains).
    """
    ways = [(np.arange(STEPS + 1) >= lowest).astype(float)[None]]
    for rows in reversed(grains):
        later = ways[0]
        total = np.zeros((len(rows), STEPS + 1))
        for before, row in enumerate(rows):
            for candidate, grain in enumerate(row):
                if grain <= STEPS:
                    total[before, : STEPS + 1 - grain] += later[min(candidate, len(later) - 1), grain:]
        ways.insert(0, total)
    return ways


def at_target(table: LatencyTable, target_s: float) -> LatencySampler:
    """Sampler of the range that hits a target: 0.98 to 1.01 of it. Raises TargetOutOfReach, UsageError."""
    check_reach(table, target_s)
    return LatencySampler(table, MIN_TARGET_SHARE * target_s, MAX_TARGET_SHARE * target_s)
