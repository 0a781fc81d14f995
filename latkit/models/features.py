"""What of an op decides its latency: roofline quantities and its attributes, as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latkit.ops import ACTIVATIONS, Op

Floats = NDArray[np.float64]


CACHES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Sizes, in MiB, that a processor's caches may have: what exceeds them costs more (numbers of four bytes)."""


@dataclass(frozen=True, slots=True)
class Work:
    """The work in an op, as a processor sees it."""

    dense_macs: int
    """MACs of convolutions that mix channels and of matrix products: bound by arithmetic."""
    depthwise_macs: int
    """MACs of convolutions with one filter per channel: bound by memory more than by arithmetic."""
    elements: int
    """Numbers read and written between the parts of the op."""
    weights: int
    """Numbers read as weights."""
    expand_macs: int
    """Those of `dense_macs` that widen an MBConv's channels."""
    widened: int
    """Numbers that its convolution over space reads: those of the widened input, or else of the input."""
    reduced: int
    """Numbers that its convolution over space writes."""
    hidden: int
    """Channels inside."""


def work(op: Op) -> Work:
    """The work in an op of any kind; MBConv and grouped convolutions are taken apart."""
    inputs, outputs = math.prod(op.input_shape), math.prod(op.output_shape)
    if op.kind == "mbconv":
        expansion = op.integer("expansion")
        hidden = op.input_shape[0] * expansion
        widened, reduced = inputs * expansion, outputs // op.integer("out_channels") * hidden
        depthwise = reduced * op.integer("kernel") ** 2
        expand = inputs * hidden if expansion != 1 else 0
        elements = inputs + 2 * widened + 2 * reduced + outputs * (2 if op["residual"] else 1)
        return Work(op.macs - depthwise, depthwise, elements, op.parameters, expand, widened, reduced, hidden)
    depthwise = op.macs if op.kind == "conv" and op.integer("groups") == op.input_shape[0] else 0
    elements = inputs + outputs
    return Work(op.macs - depthwise, depthwise, elements, op.parameters, 0, inputs, outputs, op.input_shape[0])


def activation_peak(op: Op) -> int:
    """Most numbers that the op's activations hold at one time, input and output among them, each part run in turn."""
    inputs, outputs, amount = math.prod(op.input_shape), math.prod(op.output_shape), work(op)
    if op.kind != "mbconv":
        return inputs + outputs
    kept = inputs if op["residual"] else 0
    if op["expansion"] == 1:
        return max(inputs + amount.reduced, kept + amount.reduced + outputs)
    return max(inputs + amount.widened, kept + amount.widened + amount.reduced, kept + amount.reduced + outputs)


def roofline(op: Op) -> Floats:
    """Terms of the physical baseline, shape (16,): a latency is a non-negative sum of them.

    Depthwise MACs count apart by kernel, since runtimes have routines of their own for some kernels and none for
    others; and so do the numbers that exceed each size a cache may have.
    """
    amount = work(op)
    kernel = op.integer("kernel") if op.kind in ("conv", "mbconv") else 1
    sizes = (kernel <= 3, kernel == 5, kernel > 5)
    inner_bytes = 4 * (amount.widened + amount.reduced)
    terms = [
        1.0,
        amount.expand_macs,
        amount.dense_macs - amount.expand_macs,
        *(amount.depthwise_macs if same else 0.0 for same in sizes),
        math.prod(op.input_shape) + amount.widened,
        amount.widened,
        amount.reduced,
        amount.reduced + math.prod(op.output_shape),
        amount.weights,
        *(max(inner_bytes - mebibytes * 2**20, 0.0) for mebibytes in CACHES),
    ]
    return np.array(terms, dtype=np.float64)


REMAINDERS = (8, 16, 32)
"""Widths of the tiles that matrix products are cut into: what does not fill one is wasted."""


def feature_names(kind_attributes: list[str]) -> list[str]:
    """Names of the entries of `features`, in order."""
    logs = ["expand_macs", "dense_macs", "depthwise_macs", "elements", "weights", "inner_bytes", "intensity"]
    shapes = ["channels_in", "size_in", "channels_out", "size_out", "hidden", "depthwise_share"]
    remainders = [f"{what}_mod_{n}" for what in ("channels_in", "hidden", "channels_out") for n in REMAINDERS]
    spatial = ["size_in_mod_8", "size_out_mod_8", "pixels_out_mod_16"]
    return [*(f"log_{name}" for name in logs), *shapes, *remainders, *spatial, *kind_attributes]


def features(op: Op) -> Floats:
    """Features of an op for regression among ops of its kind, as `feature_names` names them."""
    amount = work(op)
    channels_in, size_in, channels_out, size_out = (
        op.input_shape[0],
        op.input_shape[-1],
        op.output_shape[0],
        op.output_shape[-1],
    )
    counts = [amount.expand_macs, amount.dense_macs, amount.depthwise_macs, amount.elements, amount.weights]
    intensity = op.macs / (amount.elements + amount.weights)
    logs = [math.log1p(n) for n in (*counts, 4 * (amount.widened + amount.reduced), intensity)]
    share = amount.depthwise_macs / max(op.macs, 1)
    shapes = [channels_in, size_in, channels_out, size_out, amount.hidden, share]
    remainders = [count % n for count in (channels_in, amount.hidden, channels_out) for n in REMAINDERS]
    spatial = [size_in % 8, size_out % 8, math.prod(op.output_shape[1:]) % 16]
    attributes = [_number(value) for _, value in op.attributes]
    return np.array([*logs, *shapes, *remainders, *spatial, *attributes], dtype=np.float64)


def _number(value: int | float | str | bool) -> float:
    """An attribute as a number; words by their place among the known ones, unknown words as -1."""
    if isinstance(value, str):
        return float(ACTIVATIONS.index(value)) if value in ACTIVATIONS else -1.0
    return float(value)
