"""Ops and networks as torch modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latkit.ops import INPUT, Network, Op, Shape


class GraphModule(nn.Module):
    """The ops of a network that is no chain. Its state has the names of an `nn.Sequential` of the ops."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        for index, op in enumerate(network.ops):
            self.add_module(str(index), build_module(op))
        self.inputs = network.inputs

    def forward(self, images: Tensor) -> Tensor:
        """Each op on the outputs of its inputs; the output of the last op. An output is dropped after its last use."""
        last_use = {source: index for index, taken in enumerate(self.inputs) for source in taken}
        outputs = {INPUT: images}
        for index, (module, taken) in enumerate(zip(self.children(), self.inputs, strict=True)):
            outputs[index] = module(*(outputs[source] for source in taken))
            for source in set(taken):
                if last_use[source] == index:
                    del outputs[source]
        return outputs[len(self.inputs) - 1]


def build_module(workload: Op | Network) -> nn.Module:
    """The torch module of an op, or of a network: an `nn.Sequential` of its ops if it is a chain, else a `GraphModule`.

    Weights are torch's defaults.
    """
    if isinstance(workload, Network):
        return nn.Sequential(*map(build_module, workload.ops)) if workload.is_chain else GraphModule(workload)
    module: nn.Module = workload.definition.module(workload)
    return module


def example_input(shape: Shape, batch: int = 1, seed: int = 0) -> Tensor:
    """Random normal input of shape (batch, *shape); never zeros, which some kernels run faster."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, *shape, generator=generator)


def example_inputs(workload: Op | Network, batch: int = 1) -> tuple[Tensor, ...]:
    """Random normal inputs of an op or a network, one tensor of shape (batch, *shape) for each input."""
    return tuple(example_input(shape, batch, seed) for seed, shape in enumerate(workload.input_shapes))
