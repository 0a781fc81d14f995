"""Measure where unsure: a latency whose interval straddles its bound is measured on the device during the search."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from latkit.errors import AgentError, DeviceError, ExportError, LatkitError, ModelRejected, NotMeasured
from latkit.search.evaluators.base import Evaluator
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import Bound, Goals
from latkit.spaces.base import Architecture

Measure = Callable[[str, Architecture], float]
"""Measures a quantity, such as `seconds.pi4`, of an architecture on a device; in the quantity's unit."""
OF_ONE_NETWORK = (AgentError, ExportError, ModelRejected, NotMeasured)
"""Errors of a measurement that the next architecture need not have."""


class MeasureUnsure(Evaluator):
    """Replaces a predicted quantity by a measured one where its interval contains an end of its bound.

    The interval is `NAME.low` to `NAME.high`; a prediction without one is taken as it is. A measurement costs
    `measurements`. If the network is the reason that it fails, the verdict is a failure, as that of an evaluation is.
    Raises DeviceError if the device cannot measure now, as all later measurements would fail too.
    """

    def __init__(self, predicted: Evaluator, goals: Goals, measure: Measure) -> None:
        self.name = f"{predicted.name}, measured where unsure"
        self.efforts = predicted.efforts
        self._predicted, self._goals, self._measure = predicted, goals, measure

    @property
    def quantities(self) -> tuple[str, ...]:
        """Those that are predicted."""
        return self._predicted.quantities

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        """One verdict per architecture."""
        verdicts = self._predicted.judge(architectures, effort)
        return [self._sure(one, verdict) for one, verdict in zip(architectures, verdicts, strict=True)]

    def _sure(self, architecture: Architecture, verdict: Verdict) -> Verdict:
        unsure = [bound.quantity for bound in self._goals.bounds if is_unsure(bound, verdict)]
        if not unsure:
            return verdict
        values = dict(verdict.quantities)
        cost = {**verdict.cost, "measurements": float(len(unsure))}
        for name in unsure:
            try:
                measured = self._measure(name, architecture)
            except OF_ONE_NETWORK as error:
                return Verdict.failed(f"{name}: {error}", **{**cost, "evaluations": 1.0})
            except LatkitError as error:
                raise DeviceError(f"{name} cannot be measured now, the search can be resumed later: {error}") from error
            values |= {name: measured, f"{name}.low": measured, f"{name}.high": measured}
        return Verdict(values, cost)


def is_unsure(bound: Bound, verdict: Verdict) -> bool:
    """Whether the interval of the bounded quantity contains an end of the bound."""
    low, high = (verdict.quantities.get(f"{bound.quantity}.{end}") for end in ("low", "high"))
    return low is not None and high is not None and any(low < end < high for end in (bound.lower, bound.upper))
