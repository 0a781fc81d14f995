"""Local search by first improvement, with restarts (White et al. 2021, arXiv 2005.02960)."""

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
class LocalSearchSettings:
    """How a local search starts."""

    start: int = 1
    """Random architectures at every start, the best of which is improved."""

    def __post_init__(self) -> None:
        if self.start < 1:
            raise UsageError(f"local search: expected a start of at least 1 architecture, but found {self.start}")


class LocalSearch(Strategy):
    """Moves to the first neighbor that is better; starts again at random where no neighbor is."""

    name: ClassVar[str] = "local-search"
    summary: ClassVar[str] = "moves to the first better neighbor, restarts at an optimum (White et al. 2021)"
    settings_type: ClassVar[type[Any]] = LocalSearchSettings

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        super().__init__(space, goals, seed, settings)
        self._neighborhood = Neighborhood(self)
        self._ranks: dict[Architecture, Rank] = {}
        self._current: Architecture | None = None
        self._queue: list[Architecture] = []
        """Neighbors of the current architecture that were not requested, in random order."""
        self._waiting: set[Architecture] = set()
        """Pending architectures of this start."""
        self._starts = 0

    def propose(self) -> Architecture | None:
        """Neighbors of the current architecture; new starts where they are used up."""
        new = self._next()
        if new is not None:
            self._waiting.add(new)
        return new

    def tell(self, architecture: Architecture, verdict: Verdict) -> None:
        """Move where the architecture is better than the current one."""
        rank = self._ranks[architecture] = self.goals.rank(verdict)
        ours = architecture in self._waiting
        self._waiting.discard(architecture)
        if rank[0] == FAILED or not ours:
            return
        if self._current is None or rank > self._ranks[self._current]:
            self._move(architecture)

    def _next(self) -> Architecture | None:
        while self._queue:
            new = self._queue.pop()
            if new not in self.requested:
                if self._current is not None:
                    self.parents[new] = self._current
                return new
        if self._starts < self.settings.start:
            self._starts += 1
            return self.sample_new()
        if self._waiting:  # the outcome of this start is open: look around further instead of waiting
            return self.sample_new()
        self._current, self._starts = None, 1
        return self.sample_new()

    def _move(self, architecture: Architecture) -> None:
        """Make it the current architecture, or a neighbor of it that is known to be better."""
        self._current = architecture
        while better := self._better_known():
            self._current = better
        self._queue = [one for one in self._neighborhood.of(self._current) if one not in self.requested]
        self.rng.shuffle(self._queue)
        if self._starts < self.settings.start:  # the queue opens when the start is complete
            self._queue = []

    def _better_known(self) -> Architecture | None:
        assert self._current is not None
        known = [one for one in self._neighborhood.of(self._current) if one in self._ranks]
        best = max(known, key=self._ranks.__getitem__, default=None)
        return best if best is not None and self._ranks[best] > self._ranks[self._current] else None
