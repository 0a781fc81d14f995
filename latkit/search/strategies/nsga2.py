"""Multi-objective evolution with the ranking of NSGA-II (Deb et al. 2002), one child at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

from latkit.errors import UsageError
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import Goals, dominates
from latkit.search.strategies.base import Strategy
from latkit.search.strategies.moves import Neighborhood, crossover
from latkit.spaces.base import Architecture, Space

Values = tuple[float, ...]


@dataclass(frozen=True)
class Nsga2Settings:
    """Sizes and rates of the evolution."""

    population: int = 20
    crossover: float = 0.9
    """Share of children that have two parents, as far as they are new; all others are mutations."""

    def __post_init__(self) -> None:
        if self.population < 2 or not 0 <= self.crossover <= 1:
            raise UsageError(
                "nsga2: expected a population of at least 2 and a crossover of 0 to 1, "
                f"but found {self.population} and {self.crossover}"
            )


@dataclass(frozen=True, slots=True)
class _Member:
    architecture: Architecture
    values: Values
    violation: float


class Nsga2(Strategy):
    """Parents win binary tournaments of front, then crowding; the population keeps the best verdicts.

    A parent whose neighbors are all known leaves the population: each network is requested once, so that it has no more
    mutations to give, and would keep others from being parents (as in Pareto local search, Paquete et al. 2004).
    """

    name: ClassVar[str] = "nsga2"
    summary: ClassVar[str] = "evolution of a Pareto front: rank and crowding of NSGA-II (Deb et al. 2002)"
    handles_front: ClassVar[bool] = True
    settings_type: ClassVar[type[Any]] = Nsga2Settings

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        super().__init__(space, goals, seed, settings)
        self._neighborhood = Neighborhood(self)
        self._population: list[_Member] = []
        """From the best to the worst."""
        self._is_full = False
        """Whether it has been full."""

    def propose(self) -> Architecture | None:
        """Random architectures up to a full population, then children."""
        return self._child() if self._is_full else self.sample_new()

    def tell(self, architecture: Architecture, verdict: Verdict) -> None:
        """Add to the population, and keep the best. What has not all quantities is ordered by its violation alone."""
        if verdict.failure:
            return
        violation = self.goals.violation(verdict)
        is_complete = all(goal.quantity in verdict.quantities for goal in self.goals.goals)
        values = self.goals.values(verdict) if is_complete else (-math.inf,) * len(self.goals.goals)
        self._population.append(_Member(architecture, values, violation if is_complete else violation or math.inf))
        self._population = self._ordered(self._population)[: self.settings.population]
        self._is_full = self._is_full or len(self._population) == self.settings.population

    def _child(self) -> Architecture | None:
        while self._population:
            place = self._tournament()
            parent = self._population[place].architecture
            child = self._offspring(parent) or self._neighborhood.new(parent)
            if child is not None:
                self.parents[child] = parent
                return child
            del self._population[place]
        return self.sample_new()

    def _offspring(self, parent: Architecture) -> Architecture | None:
        """A new child of two parents; None where none is drawn, or the child is known."""
        if self.rng.random() >= self.settings.crossover:
            return None
        other = self._population[self._tournament()].architecture
        child = crossover(self.space, parent, other, self.rng)
        child = None if child is None else self.canonical(child)
        return None if child in self.requested else child

    def _tournament(self) -> int:
        """The place of the better of two members."""
        count = len(self._population)
        return min(self.rng.randrange(count), self.rng.randrange(count))

    def _ordered(self, members: Sequence[_Member]) -> list[_Member]:
        """By violation, front and crowding (constrained domination)."""
        found: list[_Member] = []
        rest = [one for one in members if not one.violation]
        if len(self.goals.goals) == 1:  # fronts are equal values
            rest.sort(key=lambda one: one.values, reverse=True)
            found += (one for _, equal in groupby(rest, lambda one: one.values) for one in by_crowding(list(equal)))
            rest = []
        while rest:
            front = [one for one in rest if not any(dominates(other.values, one.values) for other in rest)]
            found += by_crowding(front)
            survivors = set(map(id, front))
            rest = [one for one in rest if id(one) not in survivors]
        return found + sorted((one for one in members if one.violation), key=lambda one: one.violation)


def by_crowding(front: Sequence[_Member]) -> list[_Member]:
    """A front from the loneliest member to the most crowded one (crowding distance, Deb et al. 2002, sec. III-B)."""
    distances = dict.fromkeys(range(len(front)), 0.0)
    for axis in range(len(front[0].values)):
        order = sorted(distances, key=lambda at: front[at].values[axis])
        low, high = front[order[0]].values[axis], front[order[-1]].values[axis]
        distances[order[0]] = distances[order[-1]] = math.inf
        for before, at, after in zip(order, order[1:], order[2:], strict=False):
            distances[at] += (front[after].values[axis] - front[before].values[axis]) / ((high - low) or 1.0)
    return [front[at] for at in sorted(distances, key=lambda at: -distances[at])]
