"""Stacks of equal blocks: networks of many weights or large tensors whose few kernels are soon measured.

What such a network takes beyond the sum of its kernels shows what its weights and tensors cost, which no cache holds in
a network.
"""

from __future__ import annotations

from collections.abc import Callable

from latkit.graphs.graph import Graph
from latkit.graphs.onnx.builder import GraphBuilder

BLOCKS = 10
STAGES = (20, 36, 72, 136, 232)
"""Channels of the stages of a stack of images, each of half the size of the one before."""


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


def image_stack(b: GraphBuilder, name: str) -> Graph:
    """Inverted residuals from large images of few channels to small ones of many: the tensors of a full network."""
    return _images(b, name, "relu", padded=False)


def padded_stack(b: GraphBuilder, name: str) -> Graph:
    """The same with SiLU, and with padding by an operator of its own."""
    return _images(b, name, "silu", padded=True)


def _images(b: GraphBuilder, name: str, act: str, *, padded: bool) -> Graph:
    x = b.activation(act, b.conv(b.input(1, 3, 224, 224), STAGES[0], 3, 2))
    for channels in STAGES:
        for stride in (2, 1, 1):
            hidden = 5 * b.shape(x)[1]
            y = b.activation(act, b.conv(x, hidden))
            y = b.pad(y, 0, 0, 3 - stride, 3 - stride) if padded else y
            y = b.activation(act, b.conv(y, hidden, 3, stride, hidden, pad=0 if padded else 1))
            y = b.conv(y, channels)
            x = y if stride == 2 else b.binary("Add", x, y)
    x = b.global_pool(b.activation(act, b.conv(x, 1200)))
    return b.graph([b.linear(b.reshape(x, 1, 1200), 1000)], name)


STACKS: dict[str, Callable[[GraphBuilder, str], Graph]] = {
    "inverted-stack": inverted_stack,
    "residual-stack": residual_stack,
    "separable-stack": separable_stack,
    "linear-stack": linear_stack,
    "image-stack": image_stack,
    "padded-stack": padded_stack,
}
"""By name."""
