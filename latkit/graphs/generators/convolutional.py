"""Families of convolutions: inverted, separable and plain residuals, channels last, pooling, padding, a decoder."""

from __future__ import annotations

from dataclasses import dataclass

from latkit.graphs.generators.parts import (
    ACTIVATIONS,
    Draw,
    add_classifier,
    add_gate,
    add_image,
    channels_first,
    channels_last,
    draw_channels,
    draw_depth,
)
from latkit.graphs.graph import Graph
from latkit.graphs.onnx.builder import GraphBuilder


def _halved(b: GraphBuilder, x: int, kernel: int) -> int:
    """A depthwise convolution to half the size, padded by a separate op as in TensorFlow's networks."""
    channels = b.shape(x)[1]
    return b.conv(b.pad(x, 0, 0, kernel - 2, kernel - 2), channels, kernel, 2, channels, pad=0)


def inverted(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """Inverted residuals: 1x1 expansion, depthwise convolution, 1x1 projection; with or without a gate."""
    x, _ = add_image(b, rng)
    act, gated, padded = rng.balanced(ACTIVATIONS[:5]), rng.balanced((True, False)), rng.balanced((True, False, False))
    for _ in range(draw_depth(rng)):
        given, size = b.shape(x)[1], b.shape(x)[2]
        stride = 2 if rng.random() < 0.5 and size > 7 else 1
        channels = draw_channels(rng, given, size // stride) if stride == 2 else given
        hidden, kernel = given * rng.choice((1, 3, 4, 6)), rng.choice((3, 3, 5, 7))
        y = x if hidden == given else b.activation(act, b.conv(x, hidden))
        y = _halved(b, y, kernel) if padded and stride == 2 else b.conv(y, hidden, kernel, stride, hidden)
        y = b.activation(act, y)
        y = b.conv(add_gate(b, rng, y, act) if gated else y, channels)
        x = b.binary("Add", x, y) if stride == 1 else y
    return b.graph([add_classifier(b, rng, b.activation(act, b.conv(x, rng.choice((256, 640, 1280)))))], name)


def separable(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """Depthwise convolution, 1x1 convolution."""
    x, _ = add_image(b, rng)
    act = rng.balanced(ACTIVATIONS)
    for _ in range(2 * draw_depth(rng)):
        given, size = b.shape(x)[1], b.shape(x)[2]
        stride = 2 if rng.random() < 0.4 and size > 7 else 1
        x = b.activation(act, b.conv(x, given, rng.choice((3, 3, 5)), stride, given))
        x = b.activation(act, b.conv(x, draw_channels(rng, given, size // stride)))
    return b.graph([add_classifier(b, rng, x)], name)


def residual(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """Two 3x3 convolutions, or 1x1, 3x3 (possibly grouped), 1x1; with a shortcut, and possibly a gate."""
    x, _ = add_image(b, rng)
    act, kind = (
        rng.balanced(("relu", "relu", "silu")),
        rng.balanced(("basic", "bottleneck", "grouped", "gated", "gated")),
    )
    for _ in range(draw_depth(rng)):
        width = rng.choice((8, 16, 24, 32, 48))
        given, size = b.shape(x)[1], b.shape(x)[2]
        stride = 2 if rng.random() < 0.5 and size > 7 else 1
        channels = draw_channels(rng, given, size // stride) if stride == 2 else given
        channels = max(channels // width, 1) * width if kind in ("grouped", "gated") else channels
        y = _ResidualBranch(kind, act, stride, channels, width).add(b, rng, x)
        if stride == 2 or channels != given:
            x = b.conv(x, channels, 1, stride)
        x = b.activation(act, b.binary("Add", y, x))
    return b.graph([add_classifier(b, rng, x)], name)


def grouped(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """Bottlenecks whose 3x3 convolutions are in groups of one width, narrow or wide; with or without a gate."""
    x, _ = add_image(b, rng)
    width, kind = rng.balanced((4, 8, 8, 12, 16, 24, 32, 64)), rng.balanced(("grouped", "gated"))
    for _ in range(2 * draw_depth(rng)):
        given, size = b.shape(x)[1], b.shape(x)[2]
        stride = 2 if rng.random() < 0.4 and size > 7 else 1
        channels = draw_channels(rng, given, size // stride)
        channels = max(channels // width, 1) * width
        y = _ResidualBranch(kind, "relu", stride, channels, width).add(b, rng, x)
        x = x if channels == given and stride == 1 else b.conv(x, channels, 1, stride)
        x = b.activation("relu", b.binary("Add", y, x))
    return b.graph([add_classifier(b, rng, x)], name)


@dataclass(frozen=True, slots=True)
class _ResidualBranch:
    """The branch beside a shortcut."""

    kind: str
    """`basic`, `bottleneck`, `grouped` or `gated`."""
    act: str
    stride: int
    channels: int
    width: int
    """Channels of a group."""

    def add(self, b: GraphBuilder, rng: Draw, x: int) -> int:
        """Add the branch to a graph; returns its output."""
        if self.kind == "basic":
            return b.conv(b.activation(self.act, b.conv(x, self.channels, 3, self.stride)), self.channels, 3)
        middle = self.channels // rng.choice((2, 4)) if self.kind == "bottleneck" else self.channels
        groups = 1 if self.kind == "bottleneck" else self.channels // self.width
        y = b.activation(self.act, b.conv(x, middle))
        y = b.activation(self.act, b.conv(y, middle, 3, self.stride, groups))
        return b.conv(add_gate(b, rng, y, self.act) if self.kind == "gated" else y, self.channels)


def last_axis_blocks(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """Depthwise 7x7, then channels last: normalization, two linear layers, a scale; back, and the shortcut."""
    size = rng.choice((128, 192, 224, 256))
    patch = rng.choice((2, 4, 4))
    x = b.conv(b.input(1, 3, size, size), rng.choice((40, 64, 80, 96)), patch, patch, pad=0)
    x = channels_first(b, b.layer_norm(channels_last(b, x)))
    response = rng.balanced((False, False, True))
    for _ in range(draw_depth(rng) - 1):
        given, size = b.shape(x)[1], b.shape(x)[2]
        if rng.random() < 0.5 and size > 7:
            x = channels_first(b, b.layer_norm(channels_last(b, x)))
            x = b.conv(x, given * 2, 2, 2, pad=0)
            given *= 2
        y = b.layer_norm(channels_last(b, b.conv(x, given, rng.choice((3, 5, 7, 7)), 1, given)))
        y = b.activation("gelu", b.linear(y, 4 * given))
        y = b.linear(_response(b, y) if response else y, given)
        y = y if response else b.binary("Mul", y, b.weight(given))
        x = b.binary("Add", x, channels_first(b, y))
    return b.graph([add_classifier(b, rng, x)], name)


def _response(b: GraphBuilder, x: int) -> int:
    """Global response normalization of (N, H, W, C)."""
    shape = b.shape(x)
    length = b.norm(x, (1, 2))
    mean = b.mean(length, (-1,))
    factor = b.binary("Div", length, b.binary("Add", mean, b.scalar(1e-6)))
    scaled = b.binary("Mul", x, factor)
    shifted = b.binary("Add", b.binary("Mul", scaled, b.weight(1, 1, 1, shape[3])), b.weight(1, 1, 1, shape[3]))
    return b.binary("Add", shifted, x)


def pooled(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """Normalization over an image, its 3x3 mean minus itself, and 1x1 convolutions; each scaled and added."""
    size = rng.choice((128, 192, 224))
    x = b.conv(b.input(1, 3, size, size), rng.choice((48, 64, 96)), 7, 4, pad=2)
    for _ in range(rng.randint(2, 4)):
        given, side = b.shape(x)[1], b.shape(x)[2]
        if rng.random() < 0.6 and side > 7:
            x = b.conv(x, rng.choice((128, 192, 320, 512)), 3, 2)
            given = b.shape(x)[1]
        y = b.group_norm(x)
        y = b.binary("Sub", b.pool("AveragePool", y, 3, 1, count_include_pad=0), y)
        x = b.binary("Add", x, b.binary("Mul", y, b.weight(given, 1, 1)))
        y = b.activation("gelu", b.conv(b.group_norm(x), 4 * given))
        x = b.binary("Add", x, b.binary("Mul", b.conv(y, given), b.weight(given, 1, 1)))
    return b.graph([add_classifier(b, rng, x)], name)


def padded(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """Zeros added by a separate operator before unpadded convolutions; then channels last."""
    size, act = rng.choice((112, 160, 192, 224)), rng.balanced(("silu", "silu", "relu", "hardswish"))
    x = b.conv(b.pad(b.input(1, 3, size, size), 0, 0, 1, 1), rng.choice((16, 32, 48)), 3, 2, pad=0)
    for _ in range(draw_depth(rng)):
        given, side = b.shape(x)[1], b.shape(x)[2]
        kernel = rng.choice((3, 5))
        x = b.activation(act, b.conv(x, given * rng.choice((2, 4))))
        if side > 8 and rng.random() < 0.7:
            x = _halved(b, x, kernel)
        else:
            x = b.conv(x, b.shape(x)[1], kernel, 1, b.shape(x)[1])
        x = b.conv(add_gate(b, rng, b.activation(act, x), act), min(2 * given, 192))
    x = b.layer_norm(channels_last(b, x))
    x = b.linear(b.pad(x, 0, rng.randint(1, 4), rng.randint(1, 4), 0), rng.choice((96, 192)))
    return b.graph([x], name)


def decoder(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """An image downsampled and upsampled, with its sizes joined: nearest or linear upsampling, concatenation."""
    x, _ = add_image(b, rng)
    act, lateral = rng.balanced((("relu", False), ("silu", True), ("hardswish_op", True)))
    mode = rng.balanced(("nearest", "linear"))
    levels = [x]
    for _ in range(rng.randint(1, 2)):
        levels.append(b.activation(act, b.conv(levels[-1], min(2 * b.shape(levels[-1])[1], 256), 3, 2)))
    x = levels.pop()
    while levels:
        level = levels.pop()
        x = b.conv(x, b.shape(level)[1])
        x = b.concat(1, b.resize(b.activation(act, x) if lateral else x, 2, mode), level)
        x = b.activation(act, b.conv(x, b.shape(level)[1], 3))
    return b.graph([b.conv(x, rng.choice((8, 21)))], name)
