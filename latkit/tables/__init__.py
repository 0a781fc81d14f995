"""Models and counts applied to a search space: tables of all candidates, as torch modules."""

from latkit.tables.additive import AdditiveTable
from latkit.tables.latency import LatencyTable
from latkit.tables.quantities import PeakTable, Quantities, macs_table, parameters_table

__all__ = ["AdditiveTable", "LatencyTable", "PeakTable", "Quantities", "macs_table", "parameters_table"]
