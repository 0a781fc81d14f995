"""ghosts: the number of ghost modules of a network, as a cost to bound."""

from __future__ import annotations

from latkit.ops import Op
from latkit.spaces import Space
from latkit.tables import AdditiveTable, CountedCost
from latkit.tables.cost_table import fixed_ops, per_candidate


def ghosts_table(space: Space) -> AdditiveTable:
    """One for every ghost module."""
    return AdditiveTable(space.name, space.key, per_candidate(space, _count), sum(map(_count, fixed_ops(space))))


def _count(op: Op) -> int:
    return int(op.kind == "ghost")


GHOSTS = CountedCost("ghosts", ghosts_table)
