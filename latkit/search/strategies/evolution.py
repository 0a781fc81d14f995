"""Regularized evolution (Real et al. 2019, arXiv 1802.01548, algorithm 1)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar

from latkit.errors import UsageError
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import INSIDE, Goals, Rank
from latkit.search.strategies.base import Strategy
from latkit.search.strategies.moves import Neighborhood
from latkit.spaces.base import Architecture, Space

MAX_WARMUP = 10
"""Populations of random draws that may all miss the bounds before those that miss them least become parents."""


@dataclass(frozen=True)
class EvolutionSettings:
    """Sizes of regularized evolution."""

    population: int = 20
    """The oldest member leaves where one more arrives (P)."""
    tournament: int = 10
    """Random members of which the best becomes the parent (S)."""

    def __post_init__(self) -> None:
        if not 1 <= self.tournament <= self.population:
            raise UsageError(
                f"evolution: expected a tournament of 1 to {self.population} members (the population), "
                f"but found {self.tournament}"
            )


class RegularizedEvolution(Strategy):
    """The best of a random tournament is mutated in one choice; the oldest member dies."""

    name: ClassVar[str] = "evolution"
    summary: ClassVar[str] = "regularized evolution: tournament, one mutation, the oldest dies (Real et al. 2019)"
    settings_type: ClassVar[type[Any]] = EvolutionSettings

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        super().__init__(space, goals, seed, settings)
        self._neighborhood = Neighborhood(self)
        size = self.settings.population
        self._inside: deque[tuple[Rank, Architecture]] = deque(maxlen=size)
        self._outside: list[tuple[Rank, Architecture]] = []
        self._draws = 0

    def tell(self, architecture: Architecture, verdict: Verdict) -> None:
        """Members meet the bounds; others are parents, the nearest first, only where nothing meets them."""
        rank = self.goals.rank(verdict)
        if rank[0] == INSIDE:
            self._inside.append((rank, architecture))
        elif not verdict.failure:
            self._outside = sorted([*self._outside, (rank, architecture)], reverse=True)[: self.settings.population]

    def propose(self) -> Architecture | None:
        """Random architectures up to a full population, then children."""
        size = self.settings.population
        is_warm = self._draws >= size and len(self._inside) >= size
        parents = list(self._inside) or self._outside
        if not parents or not (is_warm or self._draws >= MAX_WARMUP * size):
            self._draws += 1
            return self.sample_new()
        drawn = self.rng.sample(parents, min(self.settings.tournament, len(parents)))
        return self._neighborhood.mutate(max(drawn)[1])
