"""Goals of a search: quantities to maximize or minimize, and bounds on others.

As text: `NAME:max`, `seconds:min`, `seconds<=0.005`, `macs>=1e6`, `1e6<=macs<=2e6`. Several quantities to maximize
or minimize ask for a Pareto front.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from latkit._io import one_line
from latkit.errors import UsageError
from latkit.search.evaluators.verdict import Verdict
from latkit.search.tasks.names import DEFAULT_METRIC

NAME = re.compile(r"(?=.*[A-Za-z_])\w[\w./-]*")
EXAMPLE = f"{DEFAULT_METRIC}:max"
Rank = tuple[int, float]
"""Of two verdicts, the better has the greater rank."""

FAILED, OUTSIDE, INSIDE = -1, 0, 1


@dataclass(frozen=True, slots=True)
class Goal:
    """A quantity to maximize or to minimize."""

    quantity: str
    maximize: bool = True

    def __str__(self) -> str:
        return f"{self.quantity}:{'max' if self.maximize else 'min'}"

    def value(self, verdict: Verdict) -> float:
        """The quantity, negated where it is minimized: greater is better. Raises UsageError where it is missing."""
        if self.quantity not in verdict.quantities:
            known = ", ".join(sorted(verdict.quantities)) or "none"
            raise UsageError(f"goal {self}: expected a quantity of the verdict ({known}), but found {self.quantity}")
        value = verdict.quantities[self.quantity]
        return value if self.maximize else -value


@dataclass(frozen=True, slots=True)
class Bound:
    """A quantity that has to stay within a range, ends included."""

    quantity: str
    lower: float = -math.inf
    upper: float = math.inf

    def __post_init__(self) -> None:
        if not self.lower <= self.upper:
            raise UsageError(f"bound {self}: expected a lower end of at most the upper end")

    def __str__(self) -> str:
        if math.isinf(self.lower):
            return f"{self.quantity}<={self.upper!r}"
        if math.isinf(self.upper):
            return f"{self.quantity}>={self.lower!r}"
        return f"{self.lower!r}<={self.quantity}<={self.upper!r}"

    def violation(self, verdict: Verdict) -> float:
        """By how much the quantity is outside, relative to the end that it passed; 0 inside or where it is missing."""
        value = verdict.quantities.get(self.quantity)
        if value is None or self.lower <= value <= self.upper:
            return 0.0
        end = self.upper if value > self.upper else self.lower
        return abs(value - end) / (abs(end) or 1.0)


@dataclass(frozen=True, slots=True)
class Goals:
    """What a search is for: at least one goal, and bounds."""

    goals: tuple[Goal, ...]
    bounds: tuple[Bound, ...] = ()

    def __post_init__(self) -> None:
        if not self.goals:
            raise UsageError(f"expected a quantity to maximize or minimize, such as {EXAMPLE}, but found none")
        names = [one.quantity for one in self.goals]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"goals: expected each quantity once, but found {name} twice")

    @classmethod
    def parse(cls, *texts: str) -> Goals:
        """Goals from texts. Raises UsageError, which names the text that is not one."""
        found = [parse_goal(text) for text in texts]
        return cls(
            tuple(one for one in found if isinstance(one, Goal)), tuple(one for one in found if isinstance(one, Bound))
        )

    @property
    def texts(self) -> tuple[str, ...]:
        """The goals and bounds as `parse` reads them."""
        return tuple(map(str, (*self.goals, *self.bounds)))

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of all quantities, each once."""
        goals, bounds = (one.quantity for one in self.goals), (one.quantity for one in self.bounds)
        return tuple(dict.fromkeys((*goals, *bounds)))

    @property
    def is_front(self) -> bool:
        """Whether several quantities are maximized or minimized."""
        return len(self.goals) > 1

    def check(self, quantities: Sequence[str]) -> None:
        """Raise UsageError unless all quantities of the goals are among these, which an evaluator gives."""
        for name in self.quantities:
            if name not in quantities:
                raise UsageError(f"unknown quantity {one_line(name, 80)}; the evaluator gives: {', '.join(quantities)}")

    def values(self, verdict: Verdict) -> tuple[float, ...]:
        """One value per goal; greater is better. Raises UsageError where a quantity is missing."""
        return tuple(goal.value(verdict) for goal in self.goals)

    def violation(self, verdict: Verdict) -> float:
        """By how much the verdict breaks the bounds, as the sum of relative excesses; 0 where it meets them."""
        return sum(bound.violation(verdict) for bound in self.bounds)

    def is_met(self, verdict: Verdict) -> bool:
        """Whether the evaluation succeeded, has the quantities of all goals and bounds, and is within the bounds."""
        return (
            not verdict.failure
            and all(name in verdict.quantities for name in self.quantities)
            and not self.violation(verdict)
        )

    def rank(self, verdict: Verdict) -> Rank:
        """Orders verdicts by the first goal: those within the bounds before others, failures last (Deb 2000, sec. 3).

        Outside the bounds the lesser violation is better.
        """
        if verdict.failure:
            return FAILED, 0.0
        if self.is_met(verdict):
            return INSIDE, self.goals[0].value(verdict)
        return OUTSIDE, -self.violation(verdict)

    def best(self, verdicts: Sequence[Verdict]) -> int | None:
        """Position of the first best verdict that meets the bounds; None if none does."""
        met = [at for at, verdict in enumerate(verdicts) if self.is_met(verdict)]
        return max(met, key=lambda at: self.values(verdicts[at]), default=None)

    def front(self, verdicts: Sequence[Verdict]) -> list[int]:
        """Positions of the verdicts that no other dominates, among those within the bounds; each point once."""
        points: dict[tuple[float, ...], int] = {}
        for at, verdict in enumerate(verdicts):
            if self.is_met(verdict):
                points.setdefault(self.values(verdict), at)
        return [at for point, at in points.items() if not any(dominates(other, point) for other in points)]


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether `one` is nowhere worse and somewhere better; greater is better."""
    return all(a >= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def parse_goal(text: str) -> Goal | Bound:
    """One goal or bound from text. Raises UsageError."""
    name, colon, direction = (part.strip() for part in text.partition(":"))
    if colon and direction in ("max", "min") and NAME.fullmatch(name):
        return Goal(name, direction == "max")
    parts = [part.strip() for part in re.split(r"(<=|>=)", text)]
    try:
        if len(parts) == 3 and NAME.fullmatch(parts[0]):
            end = _number(parts[2])
            return Bound(parts[0], upper=end) if parts[1] == "<=" else Bound(parts[0], lower=end)
        if len(parts) == 5 and parts[1] == parts[3] == "<=" and NAME.fullmatch(parts[2]):
            return Bound(parts[2], _number(parts[0]), _number(parts[4]))
    except ValueError:
        pass
    raise UsageError(
        f"expected a goal such as {EXAMPLE}, seconds<=0.005 or 1e6<=macs<=2e6, but found {one_line(text, 80)!r}"
    )


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
