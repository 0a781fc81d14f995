"""Costs that are counted, not measured: MACs, parameters and memory. Plug-ins add more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from latkit._registry import Registry
from latkit.ops import Op
from latkit.spaces import Space
from latkit.tables.additive import AdditiveTable
from latkit.tables.cost_table import CostTable, fixed_ops, per_candidate
from latkit.tables.peak import PeakTable


@dataclass(frozen=True, slots=True)
class CountedCost:
    """A cost that follows from the ops of an architecture."""

    name: str
    """As constraints name it, such as `macs`."""
    table: Callable[[Space], CostTable]


def macs_table(space: Space) -> AdditiveTable:
    """Multiply-accumulates per image."""
    return _counted(space, lambda op: op.macs)


def parameters_table(space: Space) -> AdditiveTable:
    """Trained parameters."""
    return _counted(space, lambda op: op.parameters)


def _counted(space: Space, count: Callable[[Op], int]) -> AdditiveTable:
    return AdditiveTable(space.name, space.key, per_candidate(space, count), sum(map(count, fixed_ops(space))))


MACS = CountedCost("macs", macs_table)
PARAMETERS = CountedCost("params", parameters_table)
PEAK_BYTES = CountedCost("peak_bytes", PeakTable)

COUNTED_COSTS: Registry[CountedCost] = Registry(
    "counted cost",
    "latkit.cost_tables",
    CountedCost,
    {
        "macs": "latkit.tables.counted:MACS",
        "params": "latkit.tables.counted:PARAMETERS",
        "peak_bytes": "latkit.tables.counted:PEAK_BYTES",
    },
)
"""The counted costs of a space's architectures, by the names that constraints have for them."""
