"""Several quantities of a space at once: latency on some targets, and MACs, parameters and memory."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from latkit.errors import UsageError
from latkit.spaces import Space, as_chain
from latkit.tables.additive import AdditiveTable, check_shape, fixed_ops, per_candidate


def macs_table(space: Space) -> AdditiveTable:
    """Multiply-accumulates per image."""
    base = sum(op.macs for op in fixed_ops(space))
    return AdditiveTable(space.name, space.key, per_candidate(space, lambda op: op.macs), base)


def parameters_table(space: Space) -> AdditiveTable:
    """Trained parameters."""
    base = sum(op.parameters for op in fixed_ops(space))
    return AdditiveTable(space.name, space.key, per_candidate(space, lambda op: op.parameters), base)


class PeakTable(nn.Module):
    """Peak number of activation elements of an image held at one time: the maximum over layers.

    For a distribution, it is the maximum of the layers' expectations: exact for a single architecture, otherwise a
    lower bound of the expected peak. The maximum passes its gradient to the layer with the peak.
    """

    values: Tensor
    mask: Tensor
    base: Tensor

    def __init__(self, space: Space, bytes_per_number: int = 4) -> None:
        super().__init__()
        self.space_name, self.space_key = space.name, space.key
        layers = as_chain(space, "a table of the candidates").choice_layers
        rows = [[float(bytes_per_number * op.activation_peak) for op in layer.candidates] for layer in layers]
        width = max(len(row) for row in rows)
        self.register_buffer("values", torch.tensor([row + [0.0] * (width - len(row)) for row in rows]).double())
        self.register_buffer("mask", torch.tensor([[i < len(row) for i in range(width)] for row in rows]))
        base = bytes_per_number * max((op.activation_peak for op in fixed_ops(space)), default=0)
        self.register_buffer("base", torch.tensor(float(base), dtype=torch.float64))

    def forward(self, probabilities: Tensor) -> Tensor:
        """Bytes, shape (...), of probabilities of shape (..., choices, candidates)."""
        check_shape(probabilities, self.mask)
        expected = (probabilities.to(self.values.dtype) * self.values).sum(-1)
        return torch.maximum(expected.amax(-1), self.base)

    def lookup(self, architectures: Tensor) -> Tensor:
        """Bytes, shape (...), of architectures as integers of shape (..., choices)."""
        layers = torch.arange(len(self.values), device=self.values.device)
        return torch.maximum(self.values[layers, architectures.long()].amax(-1), self.base)

    def min(self) -> float:
        """The lowest peak of all architectures."""
        smallest = self.values.masked_fill(~self.mask, torch.inf).amin(-1)
        return float(torch.maximum(smallest.amax(), self.base))

    def max(self) -> float:
        """The highest peak of all architectures."""
        return float(torch.maximum(self.values.amax(), self.base))


class Quantities(nn.Module):
    """Named quantities of one space as one module, for an objective of several terms.

    Quantities({"pi4_s": LatencyTable(space, model), "macs": macs_table(space), "peak_bytes": PeakTable(space)})
    """

    def __init__(self, tables: Mapping[str, AdditiveTable | PeakTable]) -> None:
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
