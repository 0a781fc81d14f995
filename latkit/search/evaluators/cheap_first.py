"""Cheap quantities first: what is over a bound that is known without training is not trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from latkit.search.evaluators.base import Evaluator, Range
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import Goals
from latkit.spaces.base import Architecture


class CheapFirst(Evaluator):
    """Asks the cheap evaluator, and the costly one only where the cheap quantities break no bound.

    A refused architecture has the cheap quantities alone, and is free.
    """

    def __init__(self, cheap: Evaluator, costly: Evaluator, goals: Goals) -> None:
        self.name = costly.name if costly.name == cheap.name else f"{costly.name} after {cheap.name}"
        self.efforts = costly.efforts
        self._cheap, self._costly, self._goals = cheap, costly, goals

    @property
    def quantities(self) -> tuple[str, ...]:
        """Those of both."""
        return tuple(dict.fromkeys((*self._cheap.quantities, *self._costly.quantities)))

    @property
    def ranges(self) -> Mapping[str, Range]:
        """Those of both."""
        return {**self._cheap.ranges, **self._costly.ranges}

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        """One verdict per architecture."""
        return [self._judge(one, effort) for one in architectures]

    def test_quantities(self, architecture: Architecture) -> dict[str, float]:
        """Those of the costly evaluator."""
        return self._costly.test_quantities(architecture)

    def _judge(self, architecture: Architecture, effort: float | None) -> Verdict:
        (cheap,) = self._cheap.judge([architecture])
        if cheap.failure:
            return cheap
        measured = {name: count for name, count in cheap.cost.items() if name == "measurements"}
        if self._goals.violation(cheap):
            return Verdict(cheap.quantities, measured)
        (costly,) = self._costly.judge([architecture], effort)
        return Verdict({**cheap.quantities, **costly.quantities}, {**measured, **costly.cost}, costly.failure)
