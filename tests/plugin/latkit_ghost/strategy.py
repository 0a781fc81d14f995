"""annealing: simulated annealing (Kirkpatrick et al. 1983), one neighbor at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from latkit.search.evaluators import Verdict
from latkit.search.goals import INSIDE, Goals
from latkit.search.strategies import Strategy
from latkit.search.strategies.moves import Neighborhood
from latkit.spaces.base import Architecture, Space


@dataclass(frozen=True)
class AnnealingSettings:
    """The schedule."""

    temperature: float = 0.01
    """At first, in units of the goal."""
    cooling: float = 0.95
    """Factor per verdict."""


class Annealing(Strategy):
    """Asks for a neighbor of the current architecture, and moves to worse ones with a probability that falls."""

    name: ClassVar[str] = "annealing"
    summary: ClassVar[str] = "simulated annealing (Kirkpatrick et al. 1983)"
    settings_type: ClassVar[type[Any]] = AnnealingSettings

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        super().__init__(space, goals, seed, settings)
        self._neighborhood = Neighborhood(self)
        self._temperature = self.settings.temperature
        self._current: tuple[float, Architecture] | None = None

    def propose(self) -> Architecture | None:
        """A random architecture at first, then neighbors."""
        return self.sample_new() if self._current is None else self._neighborhood.mutate(self._current[1])

    def tell(self, architecture: Architecture, verdict: Verdict) -> None:
        """Move, or stay. What breaks a bound is never moved to."""
        kind, value = self.goals.rank(verdict)
        if kind != INSIDE:
            return
        fall = self._current[0] - value if self._current else 0.0
        if fall <= 0 or self.rng.random() < math.exp(-fall / self._temperature):
            self._current = value, architecture
        self._temperature *= self.settings.cooling
