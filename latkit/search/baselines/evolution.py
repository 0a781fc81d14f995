"""Evolution with shared weights: one supernet trained on uniform paths, then evolution of architectures by fitness.

Single-path one-shot (Guo et al. 2020), with regularized evolution (Real et al. 2019).
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

from latkit.search.baselines.sampling import LatencySampler
from latkit.spaces import Architecture

Fitness = Callable[[Architecture], float]
"""Fitness of an architecture: higher is better."""


class Strategy(Protocol):
    """Proposes architectures and learns from their fitness."""

    def ask(self) -> Architecture:
        """The next architecture to evaluate."""

    def tell(self, architecture: Architecture, fitness: float) -> None:
        """Record the fitness of an architecture."""


class RegularizedEvolution:
    """The youngest `population` architectures live; the best of `tournament` of them has a child (Real et al. 2019).

    All architectures lie within the sampler's latency bounds: the first ones are drawn from it, and a child is mutated
    until it is within them. A mutation redraws one choice, and each other choice with a probability of `mutation`.
    """

    ATTEMPTS = 1000
    """A child that misses the bounds this many times is replaced by a random architecture."""

    def __init__(
        self,
        sampler: LatencySampler,
        rng: random.Random,
        population: int = 32,
        tournament: int = 8,
        mutation: float = 0.1,
    ) -> None:
        self.sampler = sampler
        self.rng = rng
        self.tournament = tournament
        self.mutation = mutation
        self._living: deque[tuple[float, Architecture]] = deque(maxlen=population)
        self._sizes = [len(row) for row in sampler.table.rows()]

    def ask(self) -> Architecture:
        """A random architecture while the population grows, then a child."""
        if len(self._living) < (self._living.maxlen or 0):
            return self.sampler.draw(self.rng)
        _, parent = max(self.rng.choices(self._living, k=self.tournament))
        children = (self._mutated(parent) for _ in range(self.ATTEMPTS))
        return next(filter(self.sampler.holds, children), None) or self.sampler.draw(self.rng)

    def tell(self, architecture: Architecture, fitness: float) -> None:
        """Add it to the population, and remove the oldest."""
        self._living.append((fitness, architecture))

    def _mutated(self, parent: Architecture) -> Architecture:
        certain = self.rng.randrange(len(parent))
        return tuple(
            self.rng.randrange(size) if position == certain or self.rng.random() < self.mutation else index
            for position, (index, size) in enumerate(zip(parent, self._sizes, strict=True))
        )


def evolve(
    strategy: Strategy,
    fitness: Fitness,
    evaluations: int,
    known: dict[Architecture, float] | None = None,
    note: Callable[[int], None] = lambda _done: None,
) -> Architecture:
    """The best of the architectures that a strategy proposes, each evaluated once. `note` takes the number
    evaluated.

    `known`: architectures with known fitness, such as from before an interruption; new results are added to it. A
    strategy with the same random draws then reaches its previous state without evaluating any of them again.
    """
    known = {} if known is None else known
    fitnesses: dict[Architecture, float] = {}
    for done in range(1, evaluations + 1):
        architecture = strategy.ask()
        if architecture not in known:
            known[architecture] = fitness(architecture)
        fitnesses[architecture] = known[architecture]
        strategy.tell(architecture, known[architecture])
        note(done)
    return max(fitnesses, key=fitnesses.__getitem__)
