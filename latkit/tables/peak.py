"""Peak memory: the maximum over layers, which does not add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from latkit._io.arrays import Bools, Floats
from latkit.spaces import Space, as_chain
from latkit.tables.cost_table import CostTable, fixed_ops


class PeakTable(CostTable):
    """Peak number of activation elements of an image held at one time: the maximum over layers.

    For a distribution, it is the maximum of the layers' expectations: exact for a single architecture, otherwise a
    lower bound of the expected peak. The maximum passes its gradient to the layer with the peak.
    """

    def __init__(self, space: Space) -> None:
        layers = as_chain(space, "a table of the candidates").choice_layers
        rows = [[float(op.activation_peak_bytes) for op in layer.candidates] for layer in layers]
        base = max((op.activation_peak_bytes for op in fixed_ops(space)), default=0)
        super().__init__(space.name, space.key, rows, float(base))

    def expected(self, probabilities: Tensor) -> Tensor:
        """Bytes, shape (...), of probabilities of shape (..., choices, candidates)."""
        self.check_probabilities(probabilities)
        expected = (probabilities.to(self.values.dtype) * self.values).sum(-1)
        return torch.maximum(expected.amax(-1), self.base)

    def lookup(self, architectures: Tensor) -> Tensor:
        """Bytes, shape (...), of architectures as integers of shape (..., choices)."""
        layers = torch.arange(len(self.values), device=self.values.device)
        return torch.maximum(self.values[layers, architectures.long()].amax(-1), self.base)

    def min(self) -> float:
        """The lowest peak of all architectures."""
        return max(self._base, *map(min, self._rows))

    def max(self) -> float:
        """The highest peak of all architectures."""
        return max(self._base, *map(max, self._rows))

    def allowed(self, max_value: float) -> Bools:
        """The candidates whose own peak is within a bound; none where the fixed layers exceed it."""
        allowed: Bools = self.mask.cpu().numpy() & (self.values.cpu().numpy() <= max_value)
        return allowed & (self._base <= max_value)

    def excess(self, allowed: Bools) -> tuple[list[Floats], float]:
        """Zeros and the lowest peak: allowed candidates keep a bound in any combination."""
        return [np.zeros((1, allowed.shape[1])) for _ in allowed], self.min()

    def numbers(self) -> dict[str, Any]:
        """Empty: all follow from the space."""
        return {}

    def with_numbers(self, numbers: dict[str, Any]) -> PeakTable:  # noqa: ARG002
        """The table itself."""
        return self
