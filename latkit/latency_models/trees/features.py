"""Features of an op beside its roofline: amounts of work, remainders of tiles, its attributes."""

from __future__ import annotations

import math

import numpy as np

from latkit._io.arrays import Floats
from latkit.latency_models.trees.roofline import half_full, up
from latkit.ops import ACTIVATIONS, Attribute, Op, Value

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
    op_work = op.work
    channels_in, size_in, channels_out, size_out = (
        op.input_shape[0],
        op.input_shape[-1],
        op.output_shape[0],
        op.output_shape[-1],
    )
    counts = [op_work.expand_macs, op_work.dense_macs, op_work.depthwise_macs, op_work.elements, op_work.weights]
    intensity = op.macs / (op_work.elements + op_work.weights)
    logs = [math.log1p(n) for n in (*counts, op.bytes(op_work.widened + op_work.reduced), intensity)]
    share = op_work.depthwise_macs / max(op.macs, 1)
    shapes = [channels_in, size_in, channels_out, size_out, op_work.hidden, share]
    channels = (channels_in, op_work.hidden, channels_out)
    remainders = [count % n for count in channels for n in REMAINDERS]
    fillings = [share for n in channels for share in (*(up(n, tile) / n for tile in TILES), half_full(n))]
    sets = math.log1p(pixels_per_set(op.bytes(op_work.hidden), math.prod(op.input_shape[1:])))
    spatial = [size_in % 8, size_out % 8, size_out % PIXELS, math.prod(op.output_shape[1:]) % 16, sets]
    attributes = [_number(op.definition.attributes[name], value) for name, value in op.attributes]
    return np.array([*logs, *shapes, *remainders, *fillings, *spatial, *attributes], dtype=np.float64)


def pixels_per_set(pixel_bytes: int, pixels: int) -> float:
    """Number of pixels of an image, stored channels last, whose first channels map to the same set of the first cache.

    More of them than a set's associativity (8, usually) evict each other: in fp32, all pixels of 1024 channels begin in
    one set, and pooling 6x6 of them takes longer than 6x6 of 1848 (TFLite).
    """
    return pixels * math.gcd(pixel_bytes, PAGE) / PAGE


def _number(attribute: Attribute, value: Value) -> float:
    """An attribute as a number; a string by its index among the valid ones, -1 where any string is valid."""
    if not isinstance(value, str):
        return float(value)
    known = ACTIVATIONS if set(attribute.choices) <= set(ACTIVATIONS) else attribute.choices
    return float(known.index(value)) if value in known else -1.0
