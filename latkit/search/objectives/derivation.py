"""The derived network: the most probable path, repaired where it misses the latency target or a constraint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from latkit.errors import TargetOutOfReach
from latkit.search.objectives.constraints import Constraint
from latkit.search.objectives.objective import check_target
from latkit.search.objectives.repair import k_best_paths
from latkit.search.supernet.distribution import PathDistribution
from latkit.spaces import Architecture
from latkit.tables import LatencyTable

MIN_TARGET_SHARE, MAX_TARGET_SHARE = 0.98, 1.01
"""A derived network's predicted latency, as a multiple of the target: the range that counts as hitting the target."""

Order = Callable[[Sequence[Architecture]], list[Architecture]]
"""Sorts feasible paths, given with the most probable first: the best first."""


@dataclass(frozen=True, slots=True)
class Derived:
    """An architecture taken from a distribution."""

    architecture: Architecture
    predicted_s: float
    """Seconds, by the table."""
    strongest_s: float
    """Seconds of the most probable path, before any repair."""
    swaps: int
    """Number of choices in which the architecture differs from the most probable path."""

    @classmethod
    def of(cls, architecture: Architecture, strongest: Architecture, table: LatencyTable) -> Derived:
        """An architecture in place of the most probable path."""
        swaps = sum(one != other for one, other in zip(architecture, strongest, strict=True))
        return cls(architecture, table.total(architecture), table.total(strongest), swaps)


def check_reach(table: LatencyTable, target_s: float, constraints: Sequence[Constraint] = ()) -> bool:
    """Whether the target binds: whether some architecture is slower.

    Raises UsageError for a target that is not a positive number, TargetOutOfReach if every architecture is slower, or
    if none that is fast enough meets the constraints. `check_constraints` checks that each can be met by itself.
    """
    check_target(target_s)
    fastest_s, slowest_s = table.fastest(), table.slowest()
    if target_s < fastest_s:
        raise TargetOutOfReach(
            f"expected a latency target that space {table.space_name} can reach on this target, but found "
            f"{target_s * 1e3:.4g} ms; its networks take from {fastest_s * 1e3:.4g} to {slowest_s * 1e3:.4g} ms"
        )
    if constraints:
        _feasible_path(table, target_s, constraints)
    return target_s < slowest_s


def derive(
    distribution: PathDistribution,
    table: LatencyTable,
    target_s: float,
    constraints: Sequence[Constraint] = (),
    count: int = 1,
    order: Order = list,
) -> Derived:
    """The most probable path if it takes 0.98 to 1.01 of the target and meets the constraints, else one close to it.

    Among the `count` most probable such paths, `order` decides. Where no path lies between the two bounds, the
    candidates are the paths no slower than the upper bound. Where the target does not bind, the most probable path
    unless it is too slow or violates a constraint. Raises what `check_reach` raises.
    """
    check_reach(table, target_s, constraints)
    strongest = distribution.strongest()
    min_s, max_s = bounds(table, target_s)
    if min_s <= table.total(strongest) <= max_s and all(constraint.admits(strongest) for constraint in constraints):
        return Derived.of(strongest, strongest, table)
    log_probabilities = distribution.log_probabilities().detach().double().numpy()
    paths = k_best_paths(log_probabilities, table, min_s, max_s, constraints, count)
    return Derived.of(order(paths)[0] if paths else _feasible_path(table, target_s, constraints), strongest, table)


def bounds(table: LatencyTable, target_s: float) -> tuple[float, float]:
    """The range of seconds that counts as hitting the target; the lower bound is 0 for a target that does not bind."""
    return (MIN_TARGET_SHARE * target_s if target_s < table.slowest() else 0.0), MAX_TARGET_SHARE * target_s


def _feasible_path(table: LatencyTable, target_s: float, constraints: Sequence[Constraint]) -> Architecture:
    """A path that is fast enough and meets the constraints, whatever its probability. Raises TargetOutOfReach."""
    alike = np.zeros(table.mask.shape)
    paths = k_best_paths(alike, table, 0.0, MAX_TARGET_SHARE * target_s, constraints)
    if not paths:
        bounds = ", ".join(
            f"{constraint.name} of at most {constraint.format_value(constraint.max_value)}"
            for constraint in constraints
        )
        raise TargetOutOfReach(
            f"expected constraints that some network of space {table.space_name} meets at {target_s * 1e3:.4g} ms, "
            f"but found none that has {bounds}; loosen one of them"
        )
    return paths[0]
