"""The over-parameterized network: every candidate of every layer, of which only the sampled ones run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from latkit.errors import UsageError
from latkit.nn import build_module
from latkit.ops import Op
from latkit.search.supernet.blocks import batch_norms, gated, recomputed, statistics_frozen
from latkit.search.supernet.low_precision import computed_in
from latkit.spaces import Architecture, Space, as_chain

Indices = tuple[tuple[int, ...], ...]
"""For every choice, the selected candidates."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The candidates that run in one step, choice by choice.

    A layer gives sum_j gates[j] * o_j(x), the open candidates first and the closed ones after them. A layer with closed
    candidates has one open: its gate is exactly 1 and theirs are exactly 0. A closed candidate runs forward only, so
    that the gate's gradient is known, and no gradient passes through it. Without gates, every choice has one open
    candidate and outputs that candidate's result.
    """

    open: Indices
    closed: Indices = ()
    gates: Tensor | None = None
    """Shape (choices, slots); slots that a choice does not use are ignored."""

    @classmethod
    def single(cls, architecture: Sequence[int]) -> Paths:
        """One candidate per choice, ungated: an ordinary network."""
        return cls(tuple((index,) for index in architecture))


class _Parts(NamedTuple):
    """The parts of a module that a step uses."""

    parameters: tuple[nn.Parameter, ...]
    batch_norms: tuple[nn.BatchNorm2d, ...]


class Supernet(nn.Module):
    """All candidates of a space, built as modules (Cai et al. 2019, section 3.1).

    `forward` takes the candidates that run; the module has no mode besides torch's own. A candidate that does not run
    costs neither time nor activations, gets no gradient and keeps its batch norm statistics. No step iterates over all
    candidates: its cost does not depend on their number.

    With `checkpointing`, blocks save only their input for the backward pass, and run twice.
    """

    def __init__(self, space: Space, checkpointing: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList(map(_build, layer.candidates)) if layer.is_choice else _build(layer.candidates[0])
            for layer in as_chain(space, "a supernet").layers
        )
        self.checkpointing = checkpointing
        self._choices = len(space.choices)
        # plain tuples beside the registered modules make candidate lookup a single indexing
        self._plan = [tuple(layer) if isinstance(layer, nn.ModuleList) else layer for layer in self.layers]
        self._known: dict[nn.Module, _Parts] = {}

    def forward(self, images: Tensor, paths: Paths) -> Tensor:
        """Class scores of shape (N, classes) from images of shape (N, C, H, W)."""
        self._check(paths)
        gates = paths.gates.unbind() if paths.gates is not None else (None,) * self._choices
        features, choice = images, 0
        for layer in self._plan:
            if isinstance(layer, tuple):
                closed = [layer[index] for index in paths.closed[choice]] if paths.closed else []
                features = self._layer([layer[index] for index in paths.open[choice]], closed, gates[choice], features)
                choice += 1
            else:
                features = self._run(layer, features)
        return features

    def parameters_of(self, paths: Paths) -> list[nn.Parameter]:
        """The parameters that get a gradient in a step on these paths: of fixed layers and open candidates."""
        self._check(paths)
        return [parameter for module in self._running(paths.open) for parameter in self._parts(module).parameters]

    @contextmanager
    def at_rest(self, paths: Paths) -> Iterator[None]:
        """Context manager: forward and backward passes on these paths change nothing in the supernet.

        Weights are constants, for which autograd computes and saves nothing. Batch norm uses the batch's statistics;
        the running ones do not change, since they describe the images that train weights.
        """
        self._check(paths)
        parts = [self._parts(module) for module in self._running(paths.open)]
        closed = [self._parts(module) for module in self._chosen(paths.closed)] if paths.closed else []
        weights = [weight for part in parts for weight in part.parameters if weight.requires_grad]
        for weight in weights:
            weight.requires_grad_(False)
        try:
            with statistics_frozen(norm for part in [*parts, *closed] for norm in part.batch_norms):
                yield
        finally:
            for weight in weights:
                weight.requires_grad_(True)

    def path_module(self, architecture: Architecture) -> nn.Sequential:
        """The modules of one architecture, with the supernet's weights.

        It has the layout of `build_module(space.decode(architecture))`, so state dicts fit both ways.
        """
        indices = iter(architecture)
        chosen = [layer[next(indices)] if isinstance(layer, tuple) else layer for layer in self._plan]
        return nn.Sequential(*(module for module in chosen if not isinstance(module, _Identity)))

    def _layer(
        self, opened: Sequence[nn.Module], closed: Sequence[nn.Module], gates: Tensor | None, features: Tensor
    ) -> Tensor:
        """The output of one choice: the open candidates' outputs, mixed by their gates where there are any."""
        outputs = [self._run(candidate, features) for candidate in opened]
        if gates is None or closed:
            (output,) = outputs
            return output if gates is None else gated(gates, features, output, closed)
        mixed: Tensor = gates[0] * outputs[0]
        for gate, output in zip(gates[1:], outputs[1:], strict=False):
            mixed = torch.addcmul(mixed, gate, output)
        return mixed

    def _run(self, block: nn.Module, features: Tensor) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            return recomputed(block, features)
        out: Tensor = block(features)
        return out

    def _check(self, paths: Paths) -> None:
        if len(paths.open) != self._choices:
            raise UsageError(f"expected paths for {self._choices} choices, but found {len(paths.open)}")

    def _running(self, indices: Indices) -> Iterator[nn.Module]:
        """The fixed layers and these candidates."""
        yield from (layer for layer in self._plan if not isinstance(layer, tuple))
        yield from self._chosen(indices)

    def _chosen(self, indices: Indices) -> Iterator[nn.Module]:
        choices = (layer for layer in self._plan if isinstance(layer, tuple))
        for layer, chosen in zip(choices, indices, strict=True):
            yield from (layer[index] for index in chosen)

    def _parts(self, module: nn.Module) -> _Parts:
        """The parts of a module, looked up once: walking through modules is slow."""
        if module not in self._known:
            self._known[module] = _Parts(tuple(module.parameters()), tuple(batch_norms(module)))
        return self._known[module]


class _Identity(nn.Identity):
    """Placeholder for a candidate that is absent from the exported network: passes its input through."""


def _build(op: Op) -> nn.Module:
    """A candidate's module. The last batch norm of a residual block starts with a scale of zero.

    The block then begins as the skip it competes with (Goyal et al. 2017, section 5.1): paths agree before they are
    trained, and many paths learn together instead of each alone.
    """
    if op.is_identity:
        return _Identity()
    module = build_module(op)
    if op.definition.is_residual(op):
        nn.init.zeros_(batch_norms(module)[-1].weight)
    return computed_in(module, op.precision)
