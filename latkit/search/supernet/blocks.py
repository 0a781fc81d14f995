"""How a block runs in a step: activations recomputed rather than saved, batch norm statistics unchanged."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


def batch_norms(block: nn.Module) -> list[nn.BatchNorm2d]:
    """The batch norms inside a block."""
    return [part for part in block.modules() if isinstance(part, nn.BatchNorm2d)]


@contextmanager
def statistics_frozen(norms: Iterable[nn.BatchNorm2d]) -> Iterator[None]:
    """Context manager: these batch norms in training mode use the batch's statistics; running statistics do not
    change."""
    tracking = [norm for norm in norms if norm.track_running_stats]
    for norm in tracking:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in tracking:
            norm.track_running_stats = True


def drop_statistics(norms: Iterable[nn.BatchNorm2d]) -> None:
    """From now on these batch norms always use the batch's statistics, and hold no running ones."""
    for norm in norms:
        norm.track_running_stats = False
        norm.running_mean = norm.running_var = norm.num_batches_tracked = None


_hardtanh_backward = torch.ops.aten.hardtanh_backward.default

CLIPPED_ELEMENTS = 2**18
"""For fewer elements, calling a function of ours takes longer on a CPU than the smaller memory saves."""


def save_clipped(block: nn.Module) -> None:
    """Let every ReLU6 of a large output after a batch norm save that for the backward pass, and overwrite its input.

    torch's saves its input, beside its output that the next convolution saves anyway. The input must be read by nothing
    else, as that of a batch norm's output in a chain is. Outputs and gradients are identical to the bit.
    """
    for part in block.modules():
        if isinstance(part, nn.Sequential):
            for at, (norm, activation) in enumerate(itertools.pairwise(part), start=1):
                if isinstance(norm, nn.BatchNorm2d) and type(activation) is nn.ReLU6:
                    part[at] = _SavedOutput()


class _SavedOutput(nn.ReLU6):
    """ReLU6 that saves its output alone, where that is large; see `save_clipped`."""

    def forward(self, images: Tensor) -> Tensor:
        """The input clipped to 0 to 6."""
        if images.numel() < CLIPPED_ELEMENTS:
            return super().forward(images)
        out: Tensor = _Clip.apply(images)  # type: ignore[no-untyped-call]
        return out


class _Clip(torch.autograd.Function):
    """The gradient passes where the output is strictly between the bounds, which is where the input is."""

    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        out = F.hardtanh_(images, 0.0, 6.0)
        ctx.mark_dirty(out)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, by_output: Tensor) -> Any:
        return _hardtanh_backward(by_output, ctx.saved_tensors[0], 0.0, 6.0)


def recomputed(block: nn.Module, features: Tensor) -> Tensor:
    """The block's output; activations for its backward pass are recomputed (Chen et al. 2016, arXiv 1604.06174).

    The result is identical to the bit, and running statistics are updated once. Only the block's input is saved.
    """
    out: Tensor = checkpoint(
        block,
        features,
        use_reentrant=False,
        preserve_rng_state=False,  # no block draws random numbers
        context_fn=lambda: (nullcontext(), _second_time(batch_norms(block))),
    )
    return out


@contextmanager
def _second_time(norms: Iterable[nn.BatchNorm2d]) -> Iterator[None]:
    """Context manager: running statistics have no momentum, so they do not change.

    `statistics_frozen` would not do: batch norm would save fewer tensors than the first time, and `checkpoint` counts
    them.
    """
    before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm, _, _ in before:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, count in before:
            norm.momentum, norm.num_batches_tracked = momentum, count


def gated(gates: Tensor, features: Tensor, output: Tensor, closed: Iterable[nn.Module]) -> Tensor:
    """The output of a layer with one open candidate (gate 1) and closed candidates (gates 0).

    `gates` of shape (slots,): the open candidate's, the closed ones' in order, and unused slots. `features` is the
    layer's input, `output` the open candidate's output. The sum of equation 2 is then `output` itself, and nothing is
    added up. The gradient of gate j is <dL/dout, o_j(features)>: closed candidates run in the backward pass, where it
    is needed, so no tensor of theirs is saved, not even their output.
    """
    out = _Gated.apply(gates, features, output, tuple(closed))  # type: ignore[no-untyped-call]
    assert isinstance(out, Tensor)
    return out


class _Gated(torch.autograd.Function):
    """See `gated`."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, features: Tensor, output: Tensor, closed: tuple[nn.Module, ...]) -> Tensor:
        ctx.save_for_backward(features, output)
        ctx.closed = closed
        ctx.unused = len(gates) - 1 - len(closed)
        kind = features.device.type
        ctx.autocast = (kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))
        return output.view_as(output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_output: Tensor) -> tuple[Tensor, None, Tensor, None]:
        features, output = ctx.saved_tensors
        by_gate = [_inner(by_output, output)]
        with torch.autocast(*ctx.autocast):
            by_gate += [_inner(by_output, candidate(features)) for candidate in ctx.closed]
        by_gate += [by_gate[0].new_zeros(())] * ctx.unused
        return torch.stack(by_gate), None, by_output, None


def _inner(one: Tensor, other: Tensor) -> Tensor:
    """Inner product of two tensors of the same shape, as a scalar in single precision."""
    return (one * other).sum(dtype=torch.float32)
