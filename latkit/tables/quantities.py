"""Several costs of a space at once: latency on some targets, and MACs, parameters and memory."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from latkit.errors import UsageError
from latkit.tables.cost_table import CostTable


class Quantities(nn.Module):
    """Named quantities of one space as one module, for an objective of several terms.

    Quantities({"pi4_s": LatencyTable(space, model), "macs": macs_table(space), "peak_bytes": PeakTable(space)})
    """

    def __init__(self, tables: Mapping[str, CostTable]) -> None:
        """Raises UsageError unless all tables belong to one space."""
        super().__init__()
        spaces = {table.space_key: table.space_name for table in tables.values()}
        if len(spaces) != 1:
            raise UsageError(f"expected tables of one space, but found {', '.join(spaces.values()) or 'none'}")
        self.named = dict(tables)
        self.tables = nn.ModuleList(tables.values())  # registered, so that they move with this module

    def forward(self, probabilities: Tensor) -> dict[str, Tensor]:
        """Every quantity's expectation, each of shape (...), of probabilities of shape (..., choices, candidates)."""
        return {name: table(probabilities) for name, table in self.named.items()}

    def lookup(self, architectures: Tensor) -> dict[str, Tensor]:
        """Every quantity, each of shape (...), of architectures as integers of shape (..., choices)."""
        return {name: table.lookup(architectures) for name, table in self.named.items()}
