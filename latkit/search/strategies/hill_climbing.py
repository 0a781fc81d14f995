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
    """How many architectures a start and a step compare."""

    children: int = 8
    """Random neighbors of every step; 0 for all of them."""
    start: int = 1
    """Random architectures at every start, the best of which is improved."""

    def __post_init__(self) -> None:
        if self.children < 0 or self.start < 1:
            raise UsageError(
                "hill climbing: expected at least 0 children and a start of at least 1 architecture, "
                f"but found {self.children} and {self.start}"
            )


@dataclass(frozen=True)
class BestImprovementSettings(HillClimbingSettings):
    """All neighbors of every step, which cost many evaluations: the start is chosen from several."""

    children: int = 0
    start: int = 10


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
        self._draws = self.settings.start
        """Random architectures that this start still asks for."""
        self._waiting: set[Architecture] = set()
        self._step: list[tuple[Rank, Architecture]] = []
        """What this step found."""

    def propose(self) -> Architecture | None:
        """The neighbors of this step; random architectures while its verdicts are pending."""
        if not self._queue and not self._draws and not self._waiting:
            self._begin_step()
        new = None
        if self._queue and self._current is not None:
            new = self._queue.pop()
            self.parents[new] = self._current[1]
        self._draws = max(self._draws - (new is None), 0)
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
        self._current, self._draws = None, self.settings.start


class BestImprovement(HillClimbing):
    """Compares all neighbors of the current architecture and moves to the best (White et al. 2021)."""

    name: ClassVar[str] = "local-search-best"
    summary: ClassVar[str] = "moves to the best of all neighbors, restarts at an optimum (White et al. 2021)"
    settings_type: ClassVar[type[Any]] = BestImprovementSettings
