"""Climbing by the best of several neighbors: hill climbing, and local search by best improvement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from latkit.errors import UsageError
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import FAILED, Goals, Rank
from latkit.search.strategies.base import Strategy
from latkit.search.strategies.moves import Neighborhood
from latkit.spaces.base import Architecture, Space


@dataclass(frozen=True)
class HillClimbingSettings:
    """How many neighbors a step compares."""

    children: int = 8
    """Random neighbors of every step; 0 for all of them."""

    def __post_init__(self) -> None:
        if self.children < 0:
            raise UsageError(f"hill climbing: expected at least 0 children, but found {self.children}")


@dataclass(frozen=True)
class BestImprovementSettings(HillClimbingSettings):
    """All neighbors of every step."""

    children: int = 0


class HillClimbing(Strategy):
    """Compares some neighbors of the current architecture and moves to the best (Elsken et al. 2017, arXiv 1711.04528).

    A step without improvement is followed by others until all neighbors are known; then the climb restarts at random.
    """

    name: ClassVar[str] = "hill-climbing"
    summary: ClassVar[str] = "moves to the best of some neighbors (Elsken et al. 2017)"
    settings_type: ClassVar[type[Any]] = HillClimbingSettings

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        super().__init__(space, goals, seed, settings)
        self._neighborhood = Neighborhood(self)
        self._current: tuple[Rank, Architecture] | None = None
        self._queue: list[Architecture] = []
        self._waiting: set[Architecture] = set()
        self._step: list[tuple[Rank, Architecture]] = []
        """What this step found."""

    def propose(self) -> Architecture | None:
        """The neighbors of this step; random architectures while its verdicts are pending."""
        if not self._queue and not self._waiting:
            self._begin_step()
        new = None
        if self._queue and self._current is not None:
            new = self._queue.pop()
            self.parents[new] = self._current[1]
        new = new or self.sample_new()
        if new is not None:
            self._waiting.add(new)
        return new

    def tell(self, architecture: Architecture, verdict: Verdict) -> None:
        """Collect the verdicts of the step; the best one is where the next step begins."""
        self._waiting.discard(architecture)
        rank = self.goals.rank(verdict)
        if rank[0] != FAILED:
            self._step.append((rank, architecture))

    def _begin_step(self) -> None:
        best = max(self._step, default=None, key=lambda one: one[0])
        if best and (self._current is None or best[0] > self._current[0]):
            self._current = best
        self._step = []
        if self._current is not None:
            new = [one for one in self._neighborhood.of(self._current[1]) if one not in self.requested]
            if new:
                self.rng.shuffle(new)
                self._queue = new[: self.settings.children or None]
                return
        self._current = None


class BestImprovement(HillClimbing):
    """Compares all neighbors of the current architecture and moves to the best (White et al. 2021)."""

    name: ClassVar[str] = "local-search-best"
    summary: ClassVar[str] = "moves to the best of all neighbors, restarts at an optimum (White et al. 2021)"
    settings_type: ClassVar[type[Any]] = BestImprovementSettings
