"""Further constraints: upper bounds on latency elsewhere, MACs, parameters or memory, each with its multiplier."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latkit._io import reading_json, write_record
from latkit.errors import TargetOutOfReach, UsageError
from latkit.search.objectives.objective import Multiplier
from latkit.spaces import Space
from latkit.tables import COUNTED_COSTS, AdditiveTable, CostTable, LatencyTable


@dataclass(frozen=True, slots=True)
class Constraint:
    """An upper bound: what `table` gives for the derived network is at most `max_value`, in the table's unit."""

    name: str
    """`macs`, `params`, `peak_bytes`, or a target's name."""
    table: CostTable
    max_value: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.max_value) and self.max_value > 0):
            raise UsageError(f"constraint {self.name}: expected a bound of more than 0, but found {self.max_value:g}")

    def format_value(self, value: float) -> str:
        """A value of the bounded quantity for people: seconds as milliseconds."""
        return self.table.format_value(value)

    def value(self, architecture: Sequence[int]) -> float:
        """The bounded quantity of one architecture."""
        return self.table.total(architecture)

    def admits(self, architecture: Sequence[int]) -> bool:
        """Whether one architecture meets the constraint, up to rounding."""
        return self.value(architecture) <= self.max_value * (1 + 1e-9)


def check_constraints(constraints: Sequence[Constraint], space: Space) -> None:
    """Raise UsageError for tables of another space or duplicate names, TargetOutOfReach for constraints that none can
    meet."""
    names = [constraint.name for constraint in constraints]
    for constraint in constraints:
        if names.count(constraint.name) > 1:
            raise UsageError(f"expected one constraint on {constraint.name}, but found {names.count(constraint.name)}")
        if constraint.table.space_key != space.key:
            raise UsageError(f"constraint {constraint.name}: its table was made for another space than {space.name!r}")
        lowest, highest = constraint.table.min(), constraint.table.max()
        if constraint.max_value < lowest:
            raise TargetOutOfReach(
                f"expected a constraint on {constraint.name} that space {space.name} can meet, but found "
                f"{constraint.format_value(constraint.max_value)}; its networks have from "
                f"{constraint.format_value(lowest)} to {constraint.format_value(highest)}"
            )


CONSTRAINTS_FILE = "limits.json"
"""In a search's folder, if it has constraints: their bounds and tables."""


def save_constraints(constraints: Sequence[Constraint], path: Path) -> None:
    """Write constraints as JSON: their bounds, and what of their tables does not follow from the space."""
    document = {each.name: {"most": each.max_value, **each.table.numbers()} for each in constraints}
    write_record(path, document)


def load_constraints(path: Path, space: Space) -> list[Constraint]:
    """Read constraints that `save_constraints` wrote for a space; empty where there is no such file. Raises BadFile."""
    if not path.exists():
        return []
    with reading_json(path, "constraints of a search") as document:
        return [_constraint(name, facts, space) for name, facts in _object(document).items()]


def _constraint(name: str, facts: object, space: Space) -> Constraint:
    found = _object(facts)
    return Constraint(name, _table(name, found, space), float(found["most"]))


def _object(document: object) -> Mapping[str, Any]:
    if not isinstance(document, dict):
        raise UsageError(f"{type(document).__name__} in place of an object")
    return document


def _table(name: str, facts: Mapping[str, Any], space: Space) -> CostTable:
    if "rows" not in facts:
        return COUNTED_COSTS.get(name).table(space)
    rows = [[float(value) for value in row] for row in facts["rows"]]
    if list(map(len, rows)) != [len(choice.options) for choice in space.choices]:
        raise UsageError(f"rows of other lengths than the choices of space {space.name!r} have candidates")
    if min(map(min, rows)) < 0 or float(facts["base"]) < 0:
        raise UsageError("an amount below zero")
    make = LatencyTable.from_seconds if "/" in name else AdditiveTable  # a target's latency is in seconds
    return make(space.name, space.key, rows, float(facts["base"]), facts.get("pairs", ()))


class ConstraintMultipliers:
    """The constraints of one search, enforced by the method of multipliers for inequalities.

    Bertsekas 1982, section 3.1. For each, with the violation v = log(E[quantity] / bound), a relative change of the
    quantity weighs max(0, multiplier + damping v). The multiplier learns as that of `objective.AugmentedLagrangian`,
    but does not fall below zero. A constraint that is met without it weighs nothing.
    """

    def __init__(self, constraints: Sequence[Constraint] = (), rate: float = 0.0, damping: float = 8.0) -> None:
        self.constraints = tuple(constraints)
        self.damping = damping
        self._multipliers = [Multiplier(rate, min_value=0.0) for _ in self.constraints]

    def __call__(self, probabilities: Tensor) -> Tensor:
        """The term that the constraints add to the loss, a scalar, for probabilities (choices, candidates).
        Differentiable."""
        total = torch.zeros((), dtype=torch.float64)
        for constraint, multiplier in zip(self.constraints, self._multipliers, strict=True):
            violation = torch.log(constraint.table(probabilities) / constraint.max_value)
            total = total + self._weight(multiplier, float(violation.detach())) * violation
        return total

    def factors(self, architectures: Tensor, probabilities: Tensor) -> Tensor:
        """Factors of the constraints on the rewards of paths (paths, choices) drawn by probabilities: shape (paths,).

        The product of (quantity / bound)^-weight, as the objective's reward has it for latency.
        """
        product = torch.ones(len(architectures), dtype=torch.float64)
        for constraint, multiplier, violation in zip(
            self.constraints, self._multipliers, self._violations(probabilities), strict=True
        ):
            values = constraint.table.lookup(architectures)
            product = product * (values / constraint.max_value) ** -self._weight(multiplier, violation)
        return product

    def update(self, probabilities: Tensor) -> None:
        """One step of dual ascent, given the current distribution."""
        for multiplier, violation in zip(self._multipliers, self._violations(probabilities), strict=True):
            multiplier.update(violation)

    def figures(self, probabilities: Tensor) -> dict[str, float]:
        """For the curves: expected value and weight of every bounded quantity."""
        figures: dict[str, float] = {}
        for constraint, multiplier in zip(self.constraints, self._multipliers, strict=True):
            figures[f"expected_{constraint.name}"] = float(constraint.table(probabilities.detach()))
            figures[f"multiplier_{constraint.name}"] = multiplier.value
        return figures

    def state(self) -> dict[str, dict[str, float]]:
        """The multipliers' states by name."""
        return {
            constraint.name: one.state() for constraint, one in zip(self.constraints, self._multipliers, strict=True)
        }

    def load_state(self, state: Mapping[str, Mapping[str, float]]) -> None:
        """Restore saved multipliers."""
        for constraint, multiplier in zip(self.constraints, self._multipliers, strict=True):
            multiplier.load_state(state[constraint.name])

    def _violations(self, probabilities: Tensor) -> list[float]:
        return [
            math.log(float(constraint.table(probabilities.detach())) / constraint.max_value)
            for constraint in self.constraints
        ]

    def _weight(self, multiplier: Multiplier, violation: float) -> float:
        return max(0.0, multiplier.value + self.damping * violation)
