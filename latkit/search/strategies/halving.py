"""Successive halving over efforts, around another strategy (asynchronous: Li et al. 2020, arXiv 1810.05934)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from latkit.errors import UsageError
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import INSIDE, Goals, Rank
from latkit.search.strategies.base import Strategy
from latkit.spaces.base import Architecture, Space


@dataclass(frozen=True)
class HalvingSettings:
    """The efforts, and what is proposed at the lowest."""

    efforts: tuple[float, ...] = ()
    """Rising, two at least, of those that the evaluator offers."""
    reduction: int = 3
    """One of this number is promoted to the next effort (eta)."""
    inner: str = "random"
    """The strategy that proposes architectures; it receives the verdicts of the lowest effort."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "efforts", tuple(float(one) for one in self.efforts))
        if len(self.efforts) < 2 or list(self.efforts) != sorted(set(self.efforts)):
            raise UsageError(f"halving: expected at least two rising efforts, but found {self.efforts or 'none'}")
        if self.reduction < 2:
            raise UsageError(f"halving: expected a reduction of at least 2, but found {self.reduction}")


class SuccessiveHalving(Strategy):
    """Evaluates everything at the lowest effort, and the best of each effort at the next one."""

    name: ClassVar[str] = "halving"
    summary: ClassVar[str] = "successive halving over efforts, around another strategy (Li et al. 2020)"
    is_distinct: ClassVar[bool] = False
    settings_type: ClassVar[type[Any]] = HalvingSettings

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        from latkit.search.strategies import make_strategy

        super().__init__(space, goals, seed, settings)
        if self.settings.inner == self.name:
            raise UsageError("halving: expected another strategy as inner, but found itself")
        self._inner = make_strategy(self.settings.inner, space, goals, seed)
        self._rungs: list[list[tuple[Rank, Architecture]]] = [[] for _ in self.settings.efforts]
        self._promoted: list[set[Architecture]] = [set() for _ in self.settings.efforts]
        self._pending: dict[Architecture, int] = {}

    def propose(self) -> Architecture | None:
        """Promotions from the highest rung down, else new architectures of the inner strategy."""
        new = self._promotion()
        if new is None:
            new = next(iter(self._inner.ask(1)), None)
        if new is not None:
            self._pending.setdefault(new, 0)
        return new

    def tell(self, architecture: Architecture, verdict: Verdict) -> None:
        """Add to the rung of the effort."""
        rung = self._pending.pop(architecture)
        self._rungs[rung].append((self.goals.rank(verdict), architecture))
        if rung == 0:
            self._inner.tell(architecture, verdict)

    def effort(self, architecture: Architecture) -> float | None:
        """The effort of a pending architecture."""
        found: float = self.settings.efforts[self._pending[architecture]]
        return found

    def _promotion(self) -> Architecture | None:
        for rung in range(len(self._rungs) - 2, -1, -1):
            verdicts = self._rungs[rung]
            best = sorted(verdicts, key=lambda one: one[0], reverse=True)[: len(verdicts) // self.settings.reduction]
            for rank, architecture in best:
                if rank[0] == INSIDE and architecture not in self._promoted[rung]:
                    self._promoted[rung].add(architecture)
                    self._pending[architecture] = rung + 1
                    return architecture
        return None
