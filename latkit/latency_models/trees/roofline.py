"""Roofline terms of an op: amounts that its latency grows with, part by part."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from latkit._io.arrays import Floats
from latkit.ops import Op, Part

TILE = 16
"""Channels per vector register of the widest kind: unused lanes are computed as well."""

PANEL = 32
"""Channels that some runtimes compute at a time; some have a slower matrix product for a half-full last panel."""

STRIP = 64
"""Channels that a blocked convolution computes at a time."""

CACHES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Typical cache sizes, in MiB: data beyond them costs more."""

WEIGHT_CACHES = (0.5, 1.0, 4.0, 12.0)
"""The same for all weights of an op, each of which is read once in a run."""


def up(count: int, tile: int) -> int:
    """The next multiple of a tile's size."""
    return -(-count // tile) * tile


def half_full(count: int, panel: int = PANEL) -> bool:
    """Whether there is a last panel that is at most half full."""
    return 0 < count % panel <= panel // 2


def roofline(op: Op) -> Floats:
    """Terms of the physical baseline, shape (len(TERMS),): a latency is a non-negative sum of them."""
    terms = dict.fromkeys(TERMS, 0.0) | {"run": 1.0}
    op_parts = op.parts
    weights = sum(part.weights for part in op_parts)
    weight_bytes = op.weight_bytes(weights)
    for size in WEIGHT_CACHES:
        terms[f"weights_beyond_{size}"] = max(0.0, weight_bytes - size * 2**20)
    for part in op_parts:
        for name, value in _part_terms(op, part):
            terms[name] += value
    return np.array(list(terms.values()), dtype=np.float64)


def _part_terms(op: Op, part: Part) -> Iterator[tuple[str, float]]:
    yield "parts", 1
    yield "weights", part.weights
    if part.kind == "depthwise":
        yield from _of_depthwise(part)
    elif part.kind in PRODUCTS:
        yield from _of_product(part)
    elif part.kind == "pool":
        yield f"pooled_{_filling(part.channels_in)}", part.channels_in
    if part.kind == "matrix":
        return  # its weights far outnumber its inputs and outputs
    # Elements in channels that fill no tile are read and written by another, slower routine.
    yield f"read_{_filling(part.channels_in)}", part.read
    yield f"written_{_filling(part.channels_out)}", part.written
    if part.kind != "pool":
        moved_bytes = op.bytes(part.read + part.written)
        for size in CACHES:
            yield f"beyond_{size}", max(0.0, moved_bytes - size * 2**20)


def _filling(channels: int) -> str:
    return "partial" if channels % TILE else "full"


def _of_depthwise(part: Part) -> Iterator[tuple[str, float]]:
    """Separate terms by kernel and stride: runtimes have special routines for some and none for others."""
    window_macs = part.kernel**2 * math.prod(part.size_out)
    macs = up(part.channels_out, TILE) * window_macs
    kernel = min(max(part.kernel, 3), 7)
    yield f"depthwise_{kernel}_weights", part.weights
    yield f"depthwise_{kernel}_panels", up(part.channels_out, PANEL) * window_macs - macs
    yield f"depthwise_{kernel}_{min(part.stride, 2)}", macs
    yield f"depthwise_{kernel}_border", macs * part.border


def _of_product(part: Part) -> Iterator[tuple[str, float]]:
    """Actual MACs, and MACs with channels padded to full tiles."""
    macs = part.weights * math.prod(part.size_out)
    tiled = macs * up(part.channels_out, TILE) / part.channels_out
    if part.kind in ("pointwise", "dense"):
        tiled *= up(part.channels_in, TILE) / part.channels_in
    yield f"{part.kind}_macs", macs
    yield f"{part.kind}_tiled", tiled
    yield f"{part.kind}_strips", macs * up(part.channels_out, STRIP) / part.channels_out
    yield f"{part.kind}_half_full", macs * half_full(part.channels_out)
    if part.kernel > 1:
        yield f"{part.kind}_border", tiled * part.border


PRODUCTS = ("pointwise", "dense", "first", "matrix")

TERMS = (
    "run",
    "parts",
    "weights",
    *(f"weights_beyond_{size}" for size in WEIGHT_CACHES),
    *(f"{kind}_{what}" for kind in PRODUCTS for what in ("macs", "tiled", "strips", "half_full", "border")),
    *(f"depthwise_{kernel}_{what}" for kernel in (3, 5, 7) for what in ("1", "2", "border", "weights", "panels")),
    *(f"{what}_{filling}" for what in ("read", "written", "pooled") for filling in ("full", "partial")),
    *(f"beyond_{size}" for size in CACHES),
)
"""Names of the entries of `roofline`, in order."""
