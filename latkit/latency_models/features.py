"""Features of an op beside its roofline: amounts of work, remainders of tiles, its attributes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latkit.latency_models.roofline import half_full, up
from latkit.ops import ACTIVATIONS, Op

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Work:
    """The work of an op on a processor."""

    dense_macs: int
    """MACs of convolutions that mix channels and of matrix products: bound by arithmetic."""
    depthwise_macs: int
    """MACs of convolutions with one filter per channel: bound by memory more than by arithmetic."""
    elements: int
    """Elements read and written between the parts of the op."""
    weights: int
    """Weights read."""
    expand_macs: int
    """The part of `dense_macs` that widens an MBConv's channels."""
    widened: int
    """Elements that its spatial convolution reads: those of the widened input, or of the input otherwise."""
    reduced: int
    """Elements that its spatial convolution writes."""
    hidden: int
    """Channels inside."""


def work(op: Op) -> Work:
    """The work of an op of any kind; MBConv and grouped convolutions are split into parts."""
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
    """Maximum number of activation elements held at one time, input and output included, when parts run one by one."""
    inputs, outputs, op_work = math.prod(op.input_shape), math.prod(op.output_shape), work(op)
    if op.kind != "mbconv":
        return inputs + outputs
    residual_elements = inputs if op["residual"] else 0
    if op["expansion"] == 1:
        return max(inputs + op_work.reduced, residual_elements + op_work.reduced + outputs)
    return max(
        inputs + op_work.widened,
        residual_elements + op_work.widened + op_work.reduced,
        residual_elements + op_work.reduced + outputs,
    )


REMAINDERS = (8, 16, 32)
"""Tile widths of matrix products: the remainder of the last tile is wasted."""

TILES = (8, 16, 32, 64)
"""Tile widths for which the relative growth of the work by filling the last tile is a feature."""

PIXELS = 6
"""Pixels of a row that a blocked convolution computes at a time."""

PAGE = 4096
"""Stride in bytes at which addresses map to the same set of a processor's first cache (such as 64 sets of 64 bytes)."""


def feature_names(kind_attributes: list[str]) -> list[str]:
    """Names of the entries of `features`, in order."""
    logs = ["expand_macs", "dense_macs", "depthwise_macs", "elements", "weights", "inner_bytes", "intensity"]
    shapes = ["channels_in", "size_in", "channels_out", "size_out", "hidden", "depthwise_share"]
    remainders = [f"{what}_mod_{n}" for what in ("channels_in", "hidden", "channels_out") for n in REMAINDERS]
    fillings = [f"{what}_up_{n}" for what in ("channels_in", "hidden", "channels_out") for n in (*TILES, "half")]
    spatial = ["size_in_mod_8", "size_out_mod_8", "size_out_mod_6", "pixels_out_mod_16", "log_pixels_per_set"]
    return [*(f"log_{name}" for name in logs), *shapes, *remainders, *fillings, *spatial, *kind_attributes]


def features(op: Op) -> Floats:
    """Regression features of an op among ops of its kind; `feature_names` names them."""
    op_work = work(op)
    channels_in, size_in, channels_out, size_out = (
        op.input_shape[0],
        op.input_shape[-1],
        op.output_shape[0],
        op.output_shape[-1],
    )
    counts = [op_work.expand_macs, op_work.dense_macs, op_work.depthwise_macs, op_work.elements, op_work.weights]
    intensity = op.macs / (op_work.elements + op_work.weights)
    logs = [math.log1p(n) for n in (*counts, 4 * (op_work.widened + op_work.reduced), intensity)]
    share = op_work.depthwise_macs / max(op.macs, 1)
    shapes = [channels_in, size_in, channels_out, size_out, op_work.hidden, share]
    channels = (channels_in, op_work.hidden, channels_out)
    remainders = [count % n for count in channels for n in REMAINDERS]
    fillings = [share for n in channels for share in (*(up(n, tile) / n for tile in TILES), half_full(n))]
    sets = math.log1p(pixels_per_set(op_work.hidden, math.prod(op.input_shape[1:])))
    spatial = [size_in % 8, size_out % 8, size_out % PIXELS, math.prod(op.output_shape[1:]) % 16, sets]
    attributes = [_number(value) for _, value in op.attributes]
    return np.array([*logs, *shapes, *remainders, *fillings, *spatial, *attributes], dtype=np.float64)


def pixels_per_set(channels: int, pixels: int) -> float:
    """Number of pixels of an image, stored channels last, whose first channels map to the same set of the first cache.

    More of them than a set's associativity (8, usually) evict each other: all pixels of 1024 channels begin in one set,
    and pooling 6x6 of them takes longer than 6x6 of 1848 (TFLite).
    """
    return pixels * math.gcd(4 * channels, PAGE) / PAGE


def _number(value: int | float | str | bool) -> float:
    """An attribute as a number; strings by their index among the known ones, unknown strings as -1."""
    if isinstance(value, str):
        return float(ACTIVATIONS.index(value)) if value in ACTIVATIONS else -1.0
    return float(value)
