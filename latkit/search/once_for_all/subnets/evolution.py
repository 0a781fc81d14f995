"""Evolution over predictions: the most accurate sub-network at a latency, without evaluating any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latkit._io.arrays import Floats, Integers
from latkit.spaces.base import Architecture
from latkit.tables.elastic import ElasticTable

Predict = Callable[[Floats], Floats]
"""Features of shape (n, features) to scores of shape (n,)."""


@dataclass(frozen=True, slots=True)
class EvolutionPlan:
    """Sizes of the evolution (Cai et al. 2020, section 3.4: population 100, a quarter of it parents)."""

    population: int = 100
    generations: int = 120
    parents: float = 0.25
    mutation: float = 0.05
    """Probability that an option of a mutated architecture is drawn anew."""
    min_share: float = 0.9
    """Least share of the latency that a sub-network uses."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sub-network with its predictions."""

    architecture: Architecture
    score: float
    seconds: float


def evolve(table: ElasticTable, predict: Predict, target_s: float, seed: int, plan: EvolutionPlan) -> list[Candidate]:
    """Distinct sub-networks within the latency, the most accurate first.

    Infeasible ones rank below, nearest first (Deb 2000). Raises UsageError, with the range, for a latency that no
    sub-network reaches.
    """
    table.check_reach(target_s)
    generator = np.random.default_rng(seed)
    arrays, lower = table.arrays, plan.min_share * target_s
    population = _Population(table, predict, lower, target_s)
    population.add(arrays.draw(4 * plan.population, generator))
    for _ in range(plan.generations):
        best = population.best(max(2, int(plan.parents * plan.population)))
        children = _children(best, arrays.sizes, plan, generator)
        population.add(arrays.canonical(children))
    return population.candidates()


def _children(parents: Integers, sizes: Integers, plan: EvolutionPlan, generator: np.random.Generator) -> Integers:
    """Half of them mutated, half crossed."""
    half, choices = plan.population // 2, len(sizes)
    mutated = parents[generator.integers(len(parents), size=half)]
    drawn = generator.integers(sizes, size=(half, choices))
    mutated = np.where(generator.random((half, choices)) < plan.mutation, drawn, mutated)
    one, other = parents[generator.integers(len(parents), size=(2, half))]
    crossed = np.where(generator.random((half, choices)) < 0.5, one, other)
    return np.asarray(np.concatenate((mutated, crossed)))


class _Population:
    """Everything seen, ordered by rank. Only what is within the latency is predicted."""

    def __init__(self, table: ElasticTable, predict: Predict, lower_s: float, upper_s: float) -> None:
        self._table, self._predict, self._lower_s, self._upper_s = table, predict, lower_s, upper_s
        self._known: set[bytes] = set()
        self._rows: Integers = np.zeros((0, len(table.arrays.sizes)), dtype=np.int64)
        self._ranks: Floats = np.zeros(0)
        self._seconds: Floats = np.zeros(0)

    def add(self, architectures: Integers) -> None:
        keys = [row.tobytes() for row in architectures]
        first = dict(zip(reversed(keys), reversed(range(len(keys))), strict=True))
        new = architectures[sorted(at for key, at in first.items() if key not in self._known)]
        self._known.update(keys)
        seconds = self._table.lookup(new)
        excess = np.maximum(seconds - self._upper_s, 0) + np.maximum(self._lower_s - seconds, 0)
        ranks = -1e6 - excess / self._upper_s
        inside = excess == 0
        if inside.any():
            ranks[inside] = self._predict(self._table.arrays.features(new[inside]))
        self._rows = np.concatenate((self._rows, new))
        self._ranks = np.concatenate((self._ranks, ranks))
        self._seconds = np.concatenate((self._seconds, seconds))

    def best(self, count: int) -> Integers:
        return np.asarray(self._rows[np.argsort(-self._ranks, kind="stable")[:count]])

    def candidates(self) -> list[Candidate]:
        order = [at for at in np.argsort(-self._ranks, kind="stable") if self._ranks[at] > -1e6]
        return [
            Candidate(tuple(map(int, self._rows[at])), float(self._ranks[at]), float(self._seconds[at])) for at in order
        ]
