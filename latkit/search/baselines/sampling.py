"""Random architectures of a given latency, drawn uniformly even where they are rare."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from latkit.errors import TargetOutOfReach, UsageError
from latkit.ops import Network
from latkit.search.objectives.derivation import MAX_TARGET_SHARE, MIN_TARGET_SHARE, check_reach
from latkit.spaces import Architecture, Space
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
        rows = table.rows()
        self._fastest = [min(row) for row in rows]
        grain_s = max(max_s - table.fastest(), 1e-12) / STEPS
        extra = [[seconds - fastest for seconds in row] for row, fastest in zip(rows, self._fastest, strict=True)]
        self._grains = [np.floor(np.array(row) / grain_s).astype(int) for row in extra]
        # rounding down hides less than a grain of each choice
        lowest = int((min_s - table.fastest()) / grain_s) - len(rows) - 1
        self._ways = _ways(self._grains, max(lowest, 0), STEPS + 1)
        if not self._ways[0][0] or not self._holds_any():
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
        spent, chosen = 0, []
        for grains, ways in zip(self._grains, self._ways[1:], strict=True):
            after = spent + grains
            weights = np.where(after < len(ways), ways[np.minimum(after, len(ways) - 1)], 0.0)
            (index,) = rng.choices(range(len(grains)), weights.tolist())
            spent = int(after[index])
            chosen.append(index)
        return tuple(chosen)

    def _holds_any(self) -> bool:
        """Whether an architecture lies within the exact bounds, not only within the widened ones."""
        rng = random.Random(0)
        return any(self.holds(self._draw(rng)) for _ in range(MAX_MISSED))


def _ways(grains: list[NDArray[np.int64]], lowest: int, count: int) -> list[NDArray[np.float64]]:
    """For every choice and every number of grains used before it, the number of ways to end within the bounds."""
    within = np.arange(count) >= lowest
    ways = [within.astype(float)]
    for row in reversed(grains):
        later = ways[0]
        total = np.zeros(count)
        for grain in row[row < count]:
            total[: count - grain] += later[grain:]
        ways.insert(0, total)
    return ways


def at_target(table: LatencyTable, target_s: float) -> LatencySampler:
    """Sampler of the range that hits a target: 0.98 to 1.01 of it. Raises TargetOutOfReach, UsageError."""
    check_reach(table, target_s)
    return LatencySampler(table, MIN_TARGET_SHARE * target_s, MAX_TARGET_SHARE * target_s)


def random_architectures(space: Space, sampler: LatencySampler, count: int, seed: int) -> list[Architecture]:
    """`count` architectures of different networks; a larger count extends the same sequence.

    Raises UsageError where there are fewer.
    """
    rng, missed = random.Random(f"baselines/{seed}"), 0
    drawn: dict[Network, Architecture] = {}
    while len(drawn) < count:
        architecture = sampler.draw(rng)
        network = space.decode(architecture)
        missed = missed + 1 if network in drawn else 0
        drawn.setdefault(network, architecture)
        if missed == MAX_MISSED:
            raise UsageError(
                f"expected {count} random networks of {sampler.min_s * 1e3:.4g} to {sampler.max_s * 1e3:.4g} ms, "
                f"but space {space.name} has about {len(drawn)}; ask for fewer"
            )
    return list(drawn.values())
