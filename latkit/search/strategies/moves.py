"""Moves that strategies share: neighbors without repetition, mutation, crossover."""

from __future__ import annotations

import random
from bisect import insort
from collections.abc import Sequence

from latkit.errors import UsageError
from latkit.search.goals import Rank
from latkit.search.strategies.base import Strategy
from latkit.spaces.base import Architecture, Space

MAX_MUTATIONS = 20
"""Random changes that may be invalid or known before all neighbors are listed, and steps of the walk after that."""


class Neighborhood:
    """The canonical neighbors of architectures, remembered."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._is_plain = type(strategy.space).neighbors is Space.neighbors
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
        """A random new neighbor, whose parent is then known; see `_mutated`."""
        child = self._mutated(architecture)
        if child is not None:
            self._strategy.parents[child] = architecture
        return child

    def new(self, architecture: Architecture) -> Architecture | None:
        """A random neighbor that was not requested; None where all were."""
        if self._is_plain and (changed := self._changed(architecture)) is not None:
            return changed
        found = [one for one in self.of(architecture) if one not in self._strategy.requested]
        return self._strategy.rng.choice(found) if found else None

    def _mutated(self, architecture: Architecture) -> Architecture | None:
        """A random neighbor that was not requested; where all were, the first new one of a random walk.

        None where the space is exhausted.
        """
        if (changed := self.new(architecture)) is not None:
            return changed
        strategy, at = self._strategy, architecture
        for _ in range(MAX_MUTATIONS):
            neighbors = self.of(at)
            new = [one for one in neighbors if one not in strategy.requested]
            if new:
                return strategy.rng.choice(new)
            if not neighbors:
                break
            at = strategy.rng.choice(neighbors)
        return strategy.sample_new()

    def _changed(self, architecture: Architecture) -> Architecture | None:
        """A new architecture with one free choice changed, without listing all neighbors; None where none is drawn."""
        strategy = self._strategy
        choices, rng = strategy.space.choices, strategy.rng
        for _ in range(MAX_MUTATIONS):
            at = rng.randrange(len(choices))
            option = rng.randrange(len(choices[at].options))
            if option == architecture[at] or choices[at].tied_to is not None:
                continue
            moved = [number == at or choice.tied_to == at for number, choice in enumerate(choices)]
            child = [option if is_moved else index for index, is_moved in zip(architecture, moved, strict=True)]
            try:
                new = strategy.canonical(tuple(child))
            except UsageError:
                continue
            if new not in strategy.requested:
                return new
        return None


class OpenBest:
    """The architectures with a verdict that have neighbors left to request, the best first.

    Each network is requested once. So the best run out of neighbors, and a search that mutates nothing else would walk
    away from them at random.
    """

    def __init__(self, strategy: Strategy, neighborhood: Neighborhood) -> None:
        self._strategy, self._neighborhood = strategy, neighborhood
        self._ranked: list[tuple[Rank, Architecture]] = []
        """From the worst to the best."""

    def add(self, rank: Rank, architecture: Architecture) -> None:
        """Add an architecture that has a verdict."""
        insort(self._ranked, (rank, architecture))

    def best(self, count: int) -> list[Architecture]:
        """Up to `count` architectures."""
        requested, place = self._strategy.requested, len(self._ranked)
        found: list[Architecture] = []
        while place and len(found) < count:
            place -= 1
            one = self._ranked[place][1]
            if all(neighbor in requested for neighbor in self._neighborhood.of(one)):
                del self._ranked[place]
            else:
                found.append(one)
        return found

    def mutate(self) -> Architecture | None:
        """A random new neighbor of the best, whose parent is then known; None where all have none left."""
        while self._ranked:
            parent = self._ranked[-1][1]
            if (child := self._neighborhood.new(parent)) is not None:
                self._strategy.parents[child] = parent
                return child
            self._ranked.pop()
        return None


def crossover(space: Space, one: Sequence[int], other: Sequence[int], rng: random.Random) -> Architecture | None:
    """A child that takes each free choice from either parent; None where it is not valid."""
    child: list[int] = []
    for choice, a, b in zip(space.choices, one, other, strict=True):
        child.append((a if rng.random() < 0.5 else b) if choice.tied_to is None else child[choice.tied_to])
    try:
        return space.check(child)
    except UsageError:
        return None
