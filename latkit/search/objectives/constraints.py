"""Further constraints: upper bounds on latency elsewhere, MACs, parameters or memory, each with its multiplier."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latkit._io import load_json, reading, write_text
from latkit.errors import BadFile, TargetOutOfReach, UsageError
from latkit.search.objectives.objective import Multiplier
from latkit.spaces import Space
from latkit.tables import AdditiveTable, LatencyTable, PeakTable


@dataclass(frozen=True, slots=True)
class Limit:
    """An upper bound: what `table` gives for the derived network is at most `max_value`, in the table's unit."""

    name: str
    """`macs`, `params`, `peak_bytes`, or a target's name."""
    table: AdditiveTable | PeakTable
    max_value: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.max_value) and self.max_value > 0):
            raise UsageError(f"limit {self.name}: expected a bound of more than 0, but found {self.max_value:g}")

    def format_value(self, value: float) -> str:
        """A value of the bounded quantity for people: seconds as milliseconds."""
        return f"{value * 1e3:.4g} ms" if isinstance(self.table, LatencyTable) else f"{value:.6g}"

    def value(self, architecture: Sequence[int]) -> float:
        """The bounded quantity of one architecture."""
        return float(self.table.lookup(torch.tensor(architecture)))

    def admits(self, architecture: Sequence[int]) -> bool:
        """Whether one architecture meets the limit, up to rounding."""
        return self.value(architecture) <= self.max_value * (1 + 1e-9)


def check_limits(limits: Sequence[Limit], space: Space) -> None:
    """Raise UsageError for tables of another space or duplicate names, TargetOutOfReach for limits that none can
    meet."""
    names = [limit.name for limit in limits]
    for limit in limits:
        if names.count(limit.name) > 1:
            raise UsageError(f"expected one limit on {limit.name}, but found {names.count(limit.name)}")
        if limit.table.space_key != space.key:
            raise UsageError(f"limit {limit.name}: its table was made for another space than {space.name!r}")
        lowest, highest = limit.table.min(), limit.table.max()
        if limit.max_value < lowest:
            raise TargetOutOfReach(
                f"expected a limit on {limit.name} that space {space.name} can keep, but found "
                f"{limit.format_value(limit.max_value)}; its networks have from {limit.format_value(lowest)} to "
                f"{limit.format_value(highest)}"
            )


LIMITS_FILE = "limits.json"
"""In a search's folder, if it has limits: their bounds and tables."""


def save_limits(limits: Sequence[Limit], path: Path) -> None:
    """Write limits as JSON. A peak's table is derived from the space, so only its bound is written."""
    document: dict[str, dict[str, Any]] = {}
    for limit in limits:
        table = limit.table
        numbers = {"rows": table.rows(), "base": float(table.base)} if isinstance(table, AdditiveTable) else {}
        document[limit.name] = {"most": limit.max_value, **numbers}
    write_text(path, json.dumps(document, indent=1) + "\n")


def load_limits(path: Path, space: Space) -> list[Limit]:
    """Read limits that `save_limits` wrote for a space; empty where there is no such file. Raises BadFile."""
    if not path.exists():
        return []
    expected = "limits of a search"
    document = load_json(path, expected)
    with reading(path, expected):
        try:
            return [_limit(name, facts, space) for name, facts in _object(document).items()]
        except UsageError as error:
            raise BadFile(path, expected, str(error)) from error


def _limit(name: str, facts: object, space: Space) -> Limit:
    found = _object(facts)
    return Limit(name, _table(found, space), float(found["most"]))


def _object(document: object) -> Mapping[str, Any]:
    if not isinstance(document, dict):
        raise UsageError(f"{type(document).__name__} in place of an object")
    return document


def _table(facts: Mapping[str, Any], space: Space) -> AdditiveTable | PeakTable:
    if "rows" not in facts:
        return PeakTable(space)
    rows = [[float(value) for value in row] for row in facts["rows"]]
    if list(map(len, rows)) != [len(layer.candidates) for layer in space.choices]:
        raise UsageError(f"rows of other lengths than the choices of space {space.name!r} have candidates")
    if min(map(min, rows)) < 0 or float(facts["base"]) < 0:
        raise UsageError("an amount below zero")
    return AdditiveTable(space.name, space.key, rows, float(facts["base"]))


class Limits:
    """The limits of one search, enforced by the method of multipliers for inequalities (Bertsekas 1982, section 3.1).

    For each, with the violation v = log(E[quantity] / bound), a relative change of the quantity weighs max(0,
    multiplier + damping v). The multiplier learns as that of `objective.Constraint`, but does not fall below zero. A
    limit that is met without it weighs nothing.
    """

    def __init__(self, limits: Sequence[Limit] = (), rate: float = 0.0, damping: float = 8.0) -> None:
        self.limits = tuple(limits)
        self.damping = damping
        self._multipliers = [Multiplier(rate, min_value=0.0) for _ in self.limits]

    def __call__(self, probabilities: Tensor) -> Tensor:
        """The term that the limits add to the loss, a scalar, for probabilities (choices, candidates).
        Differentiable."""
        total = torch.zeros((), dtype=torch.float64)
        for limit, multiplier in zip(self.limits, self._multipliers, strict=True):
            violation = torch.log(limit.table(probabilities) / limit.max_value)
            total = total + self._weight(multiplier, float(violation.detach())) * violation
        return total

    def factors(self, architectures: Tensor, probabilities: Tensor) -> Tensor:
        """Factors of the limits on the rewards of paths (paths, choices) drawn by probabilities: shape (paths,).

        The product of (quantity / bound)^-weight, as the objective's reward has it for latency.
        """
        product = torch.ones(len(architectures), dtype=torch.float64)
        for limit, multiplier, violation in zip(
            self.limits, self._multipliers, self._violations(probabilities), strict=True
        ):
            values = limit.table.lookup(architectures)
            product = product * (values / limit.max_value) ** -self._weight(multiplier, violation)
        return product

    def update(self, probabilities: Tensor) -> None:
        """One step of dual ascent, given the current distribution."""
        for multiplier, violation in zip(self._multipliers, self._violations(probabilities), strict=True):
            multiplier.update(violation)

    def figures(self, probabilities: Tensor) -> dict[str, float]:
        """For the curves: expected value and weight of every bounded quantity."""
        figures: dict[str, float] = {}
        for limit, multiplier in zip(self.limits, self._multipliers, strict=True):
            figures[f"expected_{limit.name}"] = float(limit.table(probabilities.detach()))
            figures[f"multiplier_{limit.name}"] = multiplier.value
        return figures

    def state(self) -> dict[str, dict[str, float]]:
        """The multipliers' states by name."""
        return {limit.name: one.state() for limit, one in zip(self.limits, self._multipliers, strict=True)}

    def load_state(self, state: Mapping[str, Mapping[str, float]]) -> None:
        """Restore saved multipliers."""
        for limit, multiplier in zip(self.limits, self._multipliers, strict=True):
            multiplier.load_state(state[limit.name])

    def _violations(self, probabilities: Tensor) -> list[float]:
        return [math.log(float(limit.table(probabilities.detach())) / limit.max_value) for limit in self.limits]

    def _weight(self, multiplier: Multiplier, violation: float) -> float:
        return max(0.0, multiplier.value + self.damping * violation)
