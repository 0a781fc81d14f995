"""What an evaluation of one architecture found: named quantities, or why there are none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from latkit._io import one_line
from latkit.errors import UsageError

MAX_FAILURE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """The quantities of an architecture, and what they cost; or the reason why the evaluation failed.

    A verdict may lack quantities: an architecture over a bound that is known without training has no score.
    """

    quantities: Mapping[str, float] = field(default_factory=dict)
    """By name: the metric (0 to 1 or percent, as the evaluator says), `seconds`, `joules`, `macs`, ... Finite."""
    cost: Mapping[str, float] = field(default_factory=dict)
    """What the evaluation cost: `evaluations` (0 where it was free), `seconds`, `epochs`."""
    failure: str = ""
    """Why there are no quantities, in one line; empty for a success."""

    def __post_init__(self) -> None:
        for name, value in (*self.quantities.items(), *self.cost.items()):
            if not math.isfinite(value):
                raise UsageError(f"a verdict's {one_line(name, 80)}: expected a finite number, but found {value}")

    @classmethod
    def failed(cls, reason: object, **cost: float) -> Verdict:
        """The verdict of a failed evaluation."""
        return cls({}, cost or {"evaluations": 1.0}, one_line(str(reason), MAX_FAILURE_CHARS) or "unknown")

    @property
    def is_free(self) -> bool:
        """Whether nothing was evaluated: the answer was known, or a cheap quantity broke a bound."""
        return not self.cost.get("evaluations", 0)

    def to_json(self) -> dict[str, object]:
        """The fields that are not empty. Numbers are floats, as `from_json` gives them: a replay writes the same."""
        quantities, cost = ({name: float(value) for name, value in one.items()} for one in (self.quantities, self.cost))
        fields = {"quantities": quantities, "cost": cost, "failure": self.failure}
        return {name: value for name, value in fields.items() if value}

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> Verdict:
        """The verdict of a document that `to_json` gave. Raises UsageError."""
        quantities, cost = document.get("quantities", {}), document.get("cost", {})
        failure = document.get("failure", "")
        if not isinstance(quantities, dict) or not isinstance(cost, dict) or not isinstance(failure, str):
            raise UsageError("expected quantities and cost by name, and a failure as text")
        try:
            numbers = [{str(name): float(value) for name, value in part.items()} for part in (quantities, cost)]
        except (TypeError, ValueError) as error:
            raise UsageError(f"expected numbers, but found {one_line(str(error), 80)}") from error
        return cls(numbers[0], numbers[1], failure)
