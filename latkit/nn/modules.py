"""Ops and networks as torch modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latkit.ops import Network, Op, Shape


def build_module(workload: Op | Network) -> nn.Module:
    """The torch module of an op, or of a network as an `nn.Sequential` of its ops. Weights are torch's defaults."""
    if isinstance(workload, Network):
        return nn.Sequential(*(build_module(op) for op in workload.ops))
    module: nn.Module = workload.definition.module(workload)
    return module


def example_input(shape: Shape, batch: int = 1, seed: int = 0) -> Tensor:
    """Random normal input of shape (batch, *shape); never zeros, which some kernels run faster."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, *shape, generator=generator)
