"""Stacks of equal blocks: networks of millions of weights whose few kernels are soon measured.

What such a network takes beyond the sum of its kernels shows what its weights cost, which no cache holds in a network.
"""

from __future__ import annotations

from collections.abc import Callable

from latkit.graphs.graph import Graph
from latkit.graphs.onnx.builder import GraphBuilder

BLOCKS = 10


def inverted_stack(b: GraphBuilder, name: str) -> Graph:
    """Inverted residuals of 160 channels."""
    x = b.input(1, 160, 7, 7)
    for _ in range(BLOCKS):
        y = b.activation("relu", b.conv(x, 960))
        y = b.activation("relu", b.conv(y, 960, 3, 1, 960))
        x = b.binary("Add", x, b.conv(y, 160))
    return b.graph([x], name)


def residual_stack(b: GraphBuilder, name: str) -> Graph:
    """3x3 convolutions of 256 channels."""
    x = b.input(1, 256, 7, 7)
    for _ in range(BLOCKS):
        x = b.activation("relu", b.conv(x, 256, 3))
    return b.graph([x], name)


def separable_stack(b: GraphBuilder, name: str) -> Graph:
    """Depthwise and 1x1 convolutions of 512 channels."""
    x = b.input(1, 512, 14, 14)
    for _ in range(BLOCKS):
        x = b.activation("relu", b.conv(x, 512, 3, 1, 512))
        x = b.activation("relu", b.conv(x, 512))
    return b.graph([x], name)


def linear_stack(b: GraphBuilder, name: str) -> Graph:
    """Linear layers of 384 and 1,536 features."""
    x = b.input(1, 49, 384)
    for _ in range(BLOCKS // 2):
        y = b.activation("gelu", b.linear(b.layer_norm(x), 1536))
        x = b.binary("Add", b.linear(y, 384), x)
    return b.graph([x], name)


STACKS: dict[str, Callable[[GraphBuilder, str], Graph]] = {
    "inverted-stack": inverted_stack,
    "residual-stack": residual_stack,
    "separable-stack": separable_stack,
    "linear-stack": linear_stack,
}
"""By name."""
