"""FBNet's space (Wu et al. 2019) for 32 px images: 22 layers of nine ops, and their work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latkit._io.arrays import Floats
from latkit.errors import UsageError
from latkit.latency_models.transfer.prior import Prior, least_squares, scaled, shared_features, standardize

SHAPES = (
    (16, 16, 32, 1), (16, 24, 32, 1), (24, 24, 32, 1), (24, 32, 32, 2), (32, 32, 16, 1), (32, 64, 16, 2),
    (64, 64, 8, 1), (64, 112, 8, 1), (112, 112, 8, 1), (112, 184, 8, 2), (184, 184, 4, 1), (184, 352, 4, 1),
)  # fmt: skip
"""Channels in and out, size of the input in pixels, and stride of the layers that differ."""

LAYERS = (0, 1, 2, 2, 2, 3, 4, 4, 4, 5, 6, 6, 6, 7, 8, 8, 8, 9, 10, 10, 10, 11)
"""The shape of each of the 22 layers: an op of the same shape costs the same at every position."""

WEIGHTINGS = (
    # known devices, work, each op by itself: by its size on known devices, and with equal size
    (1.0, 0.0, 0.0, 0.0),
    (1.0, 0.03, 0.003, 0.0),
    (1.0, 0.1, 0.01, 0.003),
    (1.0, 0.3, 0.03, 0.01),
    (0.3, 1.0, 0.1, 0.03),
)
SPREADS = (0.05, 0.1, 0.2, 0.35)
NOISES = (0.003, 0.01, 0.03, 0.1)


def prior(architectures: NDArray[np.integer], op_names: Sequence[str], known: Sequence[Floats]) -> Prior:
    """The prior of a new device: `known` has the latencies on each known one, shape (networks, entries).

    `architectures` has shape (networks, 22), indices into `op_names` such as k5_e6, k3_e1_g2 or skip.
    """
    counts = count_ops(architectures, len(op_names))
    devices = shared_features(counts, known)
    work = standardize(counts @ op_work(op_names))
    centered = counts - counts.mean(axis=0)
    parts = (devices, work, centered * _sizes(centered, devices, len(op_names)), centered)
    return Prior(np.ones(len(counts)), tuple(map(scaled, parts)), WEIGHTINGS, SPREADS, NOISES)


def count_ops(architectures: NDArray[np.integer], ops: int) -> Floats:
    """Count of each op of each shape in each network, shape (networks, 12 x ops). Raises UsageError."""
    if architectures.ndim != 2 or architectures.shape[1] != len(LAYERS):
        raise UsageError(f"expected architectures of {len(LAYERS)} layers, but found shape {architectures.shape}")
    if architectures.max() >= ops:
        raise UsageError(f"expected indices into {ops} op names, but found {architectures.max()}")
    counts = np.zeros((len(architectures), len(SHAPES), ops))
    for layer, shape in enumerate(LAYERS):
        counts[np.arange(len(counts)), shape, architectures[:, layer]] += 1
    return counts.reshape(len(counts), -1)


def op_work(op_names: Sequence[str]) -> Floats:
    """The work of each op of each shape, shape (12 x ops, 10), in the order of `count_ops`."""
    return np.array([_work(name, *shape) for shape in SHAPES for name in op_names], dtype=np.float64)


def _work(name: str, channels: int, out_channels: int, size: int, stride: int) -> list[float]:
    """MACs that mix channels, depthwise MACs by kernel size, elements moved, weights, kernels, and the like."""
    small = size // stride
    if name == "skip":
        if channels == out_channels and stride == 1:
            return [0.0] * 10
        mixing = channels * out_channels
        return [small**2 * mixing, 0, 0, size**2 * channels + small**2 * out_channels, mixing, 1, 0, 0, 0, 0]
    kernel, expansion = int(name[1]), int(name[4])
    groups = 2 if name.endswith("_g2") else 1
    hidden = channels * expansion
    expand, project = size**2 * channels * hidden // groups, small**2 * hidden * out_channels // groups
    depthwise = small**2 * hidden * kernel**2
    elements = size**2 * (channels + 2 * hidden) + small**2 * (2 * hidden + out_channels)
    weights = (channels + out_channels) * hidden // groups + hidden * kernel**2
    residual = channels == out_channels and stride == 1
    by_kernel = (depthwise, 0) if kernel == 3 else (0, depthwise)
    return [expand + project, *by_kernel, elements, weights, 3, groups - 1, residual, expand, small**2 * hidden]


def _sizes(counts: Floats, devices: Floats, ops: int) -> Floats:
    """Root mean square of each op's cost above a skip, over the known devices, shape (12 x ops,)."""
    costs = (least_squares(counts) @ devices).reshape(len(SHAPES), ops, -1)
    more = costs - costs.mean(axis=1, keepdims=True)
    sizes: Floats = np.sqrt((more**2).mean(axis=2)).reshape(-1)
    return sizes
