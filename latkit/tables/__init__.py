"""Models and counts applied to a search space: cost tables of all candidates, as torch modules."""

from latkit.tables.additive import AdditiveTable
from latkit.tables.cost_table import CostTable
from latkit.tables.counted import COUNTED_COSTS, CountedCost, macs_table, parameters_table
from latkit.tables.elastic import ElasticTable, latency_table
from latkit.tables.latency import LatencyTable
from latkit.tables.pairs import PairRows
from latkit.tables.peak import PeakTable
from latkit.tables.quantities import Quantities

__all__ = [
    "COUNTED_COSTS",
    "AdditiveTable",
    "CostTable",
    "CountedCost",
    "ElasticTable",
    "LatencyTable",
    "PairRows",
    "PeakTable",
    "Quantities",
    "latency_table",
    "macs_table",
    "parameters_table",
]
