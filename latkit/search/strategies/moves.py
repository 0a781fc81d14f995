"""Moves that strategies share: neighbors without repetition, mutation, crossover."""

from __future__ import annotations

import random
from collections.abc import Sequence

from latkit.errors import UsageError
from latkit.search.strategies.base import Strategy
from latkit.spaces.base import Architecture, Space

MAX_MUTATIONS = 20
"""Steps of a random walk that may end at known architectures before a new one is drawn uniformly."""


class Neighborhood:
    """The canonical neighbors of architectures, remembered."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._found: dict[Architecture, tuple[Architecture, ...]] = {}

    def of(self, architecture: Architecture) -> tuple[Architecture, ...]:
        """The distinct canonical neighbors, without the architecture itself."""
        found = self._found.get(architecture)
        if found is None:
            canonical = self._strategy.canonical
            neighbors = dict.fromkeys(canonical(one) for one in self._strategy.space.neighbors(architecture))
            neighbors.pop(architecture, None)
            found = self._found[architecture] = tuple(neighbors)
        return found

    def mutate(self, architecture: Architecture) -> Architecture | None:
        """A random neighbor that was not asked for; where all were, the first new one of a random walk.

        None where the space is exhausted.
        """
        strategy, at = self._strategy, architecture
        for _ in range(MAX_MUTATIONS):
            neighbors = self.of(at)
            new = [one for one in neighbors if one not in strategy.asked]
            if new:
                return strategy.rng.choice(new)
            if not neighbors:
                break
            at = strategy.rng.choice(neighbors)
        return strategy.sample_new()


def crossover(space: Space, one: Sequence[int], other: Sequence[int], rng: random.Random) -> Architecture | None:
    """A child that takes each free choice from either parent; None where it is not valid."""
    child: list[int] = []
    for choice, a, b in zip(space.choices, one, other, strict=True):
        child.append((a if rng.random() < 0.5 else b) if choice.tied_to is None else child[choice.tied_to])
    try:
        return space.check(child)
    except UsageError:
        return None
