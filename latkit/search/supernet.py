"""The over-parameterised network: every candidate of every layer, of which only the sampled ones run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latkit.errors import UsageError
from latkit.modules import MBConv, build_module
from latkit.ops import Op
from latkit.spaces import Architecture, Space

Indices = tuple[tuple[int, ...], ...]
"""For every choice, the candidates meant."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The candidates that run in one step, choice by choice.

    A layer gives sum_j gates[j] * o_j(x), the open candidates first and the closed ones after them. A closed
    candidate has a gate of exactly zero: it runs forward only, so that the gate's gradient is known, and no gradient
    passes through it. Without gates, every choice has one open candidate and gives that candidate's output.
    """

    open: Indices
    closed: Indices = ()
    gates: Tensor | None = None
    """Shape (choices, slots); slots that a choice does not use are ignored."""

    @classmethod
    def single(cls, architecture: Sequence[int]) -> Paths:
        """One candidate per choice, ungated: an ordinary network."""
        return cls(tuple((index,) for index in architecture))


class Supernet(nn.Module):
    """All candidates of a space, built as modules (Cai et al. 2019, section 3.1).

    Which of them run is given to `forward`; the module has no mode besides torch's own. A candidate that does not run
    costs neither time nor activations, gets no gradient (`None`, which optimisers skip) and keeps its batch norm
    statistics.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList(map(_build, layer.candidates)) if layer.is_choice else _build(layer.candidates[0])
            for layer in space.layers
        )
        self._choices = len(space.choices)
        # plain tuples beside the registered modules: looking a candidate up is then one indexing
        self._plan = [tuple(layer) if isinstance(layer, nn.ModuleList) else layer for layer in self.layers]

    def forward(self, images: Tensor, paths: Paths) -> Tensor:
        """Class scores of shape (N, classes) from images of shape (N, C, H, W)."""
        if len(paths.open) != self._choices:
            raise UsageError(f"expected paths for {self._choices} choices, but found {len(paths.open)}")
        features, choice = images, 0
        for layer in self._plan:
            if isinstance(layer, tuple):
                features = _choose(layer, features, paths, choice)
                choice += 1
            else:
                features = layer(features)
        return features

    def path_module(self, architecture: Architecture) -> nn.Sequential:
        """The modules of one architecture, with the weights they have here.

        Laid out as `build_module(space.decode(architecture))`, so that state dicts fit both ways.
        """
        indices = iter(architecture)
        chosen = [layer[next(indices)] if isinstance(layer, tuple) else layer for layer in self._plan]
        return nn.Sequential(*(module for module in chosen if not isinstance(module, _Vanished)))


class _Vanished(nn.Identity):
    """Stands for a candidate that is absent from the exported network: the input passes through."""


def _build(op: Op) -> nn.Module:
    """A candidate's module. The last batch norm of a residual block starts with a scale of zero.

    The block then begins as the skip it competes with (Goyal et al. 2017, section 5.1): paths agree before they are
    trained, and many paths learn together where otherwise each would have to learn alone.
    """
    if op.vanishes:
        return _Vanished()
    module = build_module(op)
    if isinstance(module, MBConv) and module.residual:
        last = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)][-1]
        nn.init.zeros_(last.weight)
    return module


def _choose(candidates: tuple[nn.Module, ...], features: Tensor, paths: Paths, choice: int) -> Tensor:
    """The output of one layer: the open candidates' outputs, mixed by their gates where there are any."""
    if paths.gates is None:
        (index,) = paths.open[choice]
        out: Tensor = candidates[index](features)
        return out
    outputs = [candidates[index](features) for index in paths.open[choice]]
    if paths.closed:
        with torch.no_grad():
            outputs += [candidates[index](features) for index in paths.closed[choice]]
    gates = paths.gates[choice].unbind()
    mixed: Tensor = gates[0] * outputs[0]
    for gate, output in zip(gates[1:], outputs[1:], strict=False):
        mixed = torch.addcmul(mixed, gate, output)
    return mixed
