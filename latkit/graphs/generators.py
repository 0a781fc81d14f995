"""Generators of network families: typical kernels, and typical neighbors, of current networks.

Small networks of random sizes are drawn from them, and a target is measured on their kernels, so that an external
network finds its own kinds of kernels among them. None of them is a published network.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from latkit.graphs.builder import GraphBuilder
from latkit.graphs.graph import Graph

Draw = random.Random

ACTIVATIONS = ("relu", "relu6", "silu", "hardswish", "gelu")
CHANNELS = (16, 24, 32, 40, 48, 64, 80, 96, 104, 112, 128, 144, 160, 192, 208, 256, 320, 384, 440, 512, 640, 768)


def networks(seed: int = 0) -> Iterator[Graph]:
    """An endless sequence of small networks, alternating between families; always the same."""
    number = 0
    while True:
        for name, family in FAMILIES.items():
            rng = Draw(f"{seed}/{number}/{name}")
            yield family(rng, f"{name}-{number}")
        number += 1


def _image(b: GraphBuilder, rng: Draw) -> tuple[int, int]:
    """A stem: a 3-channel image reduced to a half or a quarter of its size with a few channels; returns its
    activation."""
    size = rng.choice((128, 160, 192, 224, 256))
    x = b.input(1, 3, size, size)
    kernel = rng.choice((3, 3, 7))
    x = b.conv(x, rng.choice((16, 24, 32, 48, 64)), kernel, 2)
    x = b.activation(rng.choice(ACTIVATIONS), x)
    if rng.random() < 0.4:
        x = b.pool("MaxPool", x, 3, 2)
    return x, size


def _channels(rng: Draw, min_channels: int, size: int) -> int:
    """Number of channels for an image of that size: few where it is large."""
    max_channels = max(32, 40000 // size // max(size // 14, 1))
    return rng.choice([n for n in CHANNELS if min_channels <= n <= max(max_channels, min_channels)] or [min_channels])


def _head(b: GraphBuilder, rng: Draw, x: int) -> int:
    x = b.global_pool(x)
    x = b.reshape(x, 1, b.shape(x)[1])
    return b.linear(x, rng.choice((10, 100, 1000)))


def _gate(b: GraphBuilder, rng: Draw, x: int, act: str) -> int:
    """Squeeze and excite: every channel times a factor computed from the means of all channels."""
    channels = b.shape(x)[1]
    squeezed = b.conv(b.global_pool(x), max(8, channels // rng.choice((4, 16, 24))))
    gate = b.unary("Sigmoid", b.conv(b.activation(act, squeezed), channels))
    return b.binary("Mul", x, gate)


def _halved(b: GraphBuilder, x: int, kernel: int) -> int:
    """A depthwise convolution to half the size, padded by a separate op as in TensorFlow's networks."""
    channels = b.shape(x)[1]
    return b.conv(b.pad(x, 0, 0, kernel - 2, kernel - 2), channels, kernel, 2, channels, pad=0)


def _depth(rng: Draw) -> int:
    return rng.randint(3, 6)


def _inverted(rng: Draw, name: str) -> Graph:
    """Inverted residuals: 1x1 expansion, depthwise convolution, 1x1 projection; with or without a gate."""
    b = GraphBuilder()
    x, _ = _image(b, rng)
    act, gated, padded = rng.choice(ACTIVATIONS[:4]), rng.random() < 0.5, rng.random() < 0.4
    for _ in range(_depth(rng)):
        given, size = b.shape(x)[1], b.shape(x)[2]
        stride = 2 if rng.random() < 0.5 and size > 7 else 1
        channels = _channels(rng, given, size // stride) if stride == 2 else given
        hidden, kernel = given * rng.choice((1, 3, 4, 6)), rng.choice((3, 3, 5, 7))
        y = x if hidden == given else b.activation(act, b.conv(x, hidden))
        y = _halved(b, y, kernel) if padded and stride == 2 else b.conv(y, hidden, kernel, stride, hidden)
        y = b.activation(act, y)
        y = b.conv(_gate(b, rng, y, act) if gated else y, channels)
        x = b.binary("Add", x, y) if stride == 1 else y
    return b.graph([_head(b, rng, b.activation(act, b.conv(x, rng.choice((256, 640, 1280)))))], name)


def _separable(rng: Draw, name: str) -> Graph:
    """Depthwise convolution, 1x1 convolution."""
    b = GraphBuilder()
    x, _ = _image(b, rng)
    act = rng.choice(ACTIVATIONS)
    for _ in range(2 * _depth(rng)):
        given, size = b.shape(x)[1], b.shape(x)[2]
        stride = 2 if rng.random() < 0.4 and size > 7 else 1
        x = b.activation(act, b.conv(x, given, rng.choice((3, 3, 5)), stride, given))
        x = b.activation(act, b.conv(x, _channels(rng, given, size // stride)))
    return b.graph([_head(b, rng, x)], name)


def _residual(rng: Draw, name: str) -> Graph:
    """Two 3x3 convolutions, or 1x1, 3x3 (possibly grouped), 1x1; with a shortcut, and possibly a gate."""
    b = GraphBuilder()
    x, _ = _image(b, rng)
    act, kind = rng.choice(("relu", "relu", "silu")), rng.choice(("basic", "bottleneck", "grouped", "gated", "gated"))
    for _ in range(_depth(rng)):
        width = rng.choice((8, 16, 24, 32, 48))
        given, size = b.shape(x)[1], b.shape(x)[2]
        stride = 2 if rng.random() < 0.5 and size > 7 else 1
        channels = _channels(rng, given, size // stride) if stride == 2 else given
        channels = max(channels // width, 1) * width if kind in ("grouped", "gated") else channels
        y = _ResidualBranch(kind, act, stride, channels, width).add(b, rng, x)
        if stride == 2 or channels != given:
            x = b.conv(x, channels, 1, stride)
        x = b.activation(act, b.binary("Add", y, x))
    return b.graph([_head(b, rng, x)], name)


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
        return b.conv(_gate(b, rng, y, self.act) if self.kind == "gated" else y, self.channels)


def _last_axis_blocks(rng: Draw, name: str) -> Graph:
    """Depthwise 7x7, then channels last: normalization, two linear layers, a scale; back, and the shortcut."""
    b = GraphBuilder()
    size = rng.choice((128, 192, 224, 256))
    patch = rng.choice((2, 4, 4))
    x = b.conv(b.input(1, 3, size, size), rng.choice((40, 64, 80, 96)), patch, patch, pad=0)
    x = _channels_first(b, b.layer_norm(_channels_last(b, x)))
    response = rng.random() < 0.4
    for _ in range(_depth(rng) - 1):
        given, size = b.shape(x)[1], b.shape(x)[2]
        if rng.random() < 0.5 and size > 7:
            x = _channels_first(b, b.layer_norm(_channels_last(b, x)))
            x = b.conv(x, given * 2, 2, 2, pad=0)
            given *= 2
        y = b.layer_norm(_channels_last(b, b.conv(x, given, rng.choice((3, 5, 7, 7)), 1, given)))
        y = b.activation("gelu", b.linear(y, 4 * given))
        y = b.linear(_response(b, y) if response else y, given)
        y = y if response else b.binary("Mul", y, b.weight(given))
        x = b.binary("Add", x, _channels_first(b, y))
    return b.graph([_head(b, rng, x)], name)


def _response(b: GraphBuilder, x: int) -> int:
    """Global response normalization of (N, H, W, C)."""
    shape = b.shape(x)
    length = b.node("ReduceL2", (x,), (shape[0], 1, 1, shape[3]), axes=(1, 2), keepdims=1)
    mean = b.node("ReduceMean", (length,), (shape[0], 1, 1, 1), axes=(-1,), keepdims=1)
    factor = b.binary("Div", length, b.binary("Add", mean, b.scalar(1e-6)))
    scaled = b.binary("Mul", x, factor)
    shifted = b.binary("Add", b.binary("Mul", scaled, b.weight(1, 1, 1, shape[3])), b.weight(1, 1, 1, shape[3]))
    return b.binary("Add", shifted, x)


def _channels_last(b: GraphBuilder, x: int) -> int:
    return b.transpose(x, 0, 2, 3, 1)


def _channels_first(b: GraphBuilder, x: int) -> int:
    return b.transpose(x, 0, 3, 1, 2)


def _tokens(b: GraphBuilder, x: int) -> int:
    """(N, C, H, W) as (N, H x W, C)."""
    batch, channels, height, width = b.shape(x)
    return b.transpose(b.reshape(x, batch, channels, height * width), 0, 2, 1)


def _as_image(b: GraphBuilder, x: int, size: int) -> int:
    """(N, H x W, C) as (N, C, H, W)."""
    batch, _, channels = b.shape(x)
    return b.reshape(b.transpose(x, 0, 2, 1), batch, channels, size, size)


def _heads(b: GraphBuilder, x: int, heads: int, *, turned: bool = False) -> int:
    """(N, L, C) as (N, heads, L, C / heads), or with the last two axes swapped."""
    batch, length, channels = b.shape(x)
    split = b.reshape(x, batch, length, heads, channels // heads)
    return b.transpose(split, 0, 2, 3, 1) if turned else b.transpose(split, 0, 2, 1, 3)


def _attention(b: GraphBuilder, rng: Draw, x: int, heads: int, style: str, keys: int | None = None) -> int:
    """Self-attention of (N, L, C), or attention to `keys` of (N, K, C), in the style of one exporter or another."""
    batch, length, channels = b.shape(x)
    source = x if keys is None else keys
    query = _heads(b, b.linear(x, channels), heads)
    value = _heads(b, b.linear(source, channels), heads)
    made = b.linear(source, channels)
    if style == "scaled":  # as torch's attention is written: both factors times the root of the scale
        key = b.binary("Mul", _heads(b, made, heads, turned=True), b.scalar(0.42))
        scores = b.matmul(b.binary("Mul", query, b.scalar(0.42)), key)
    elif style == "divided":
        key = (
            b.transpose(_heads(b, made, heads), 0, 1, 3, 2)
            if rng.random() < 0.5
            else _heads(b, made, heads, turned=True)
        )
        scores = b.binary("Div", b.matmul(query, key), b.scalar(5.6))
    else:
        scores = b.binary("Mul", b.matmul(query, _heads(b, made, heads, turned=True)), b.scalar(0.2))
    if style == "biased":
        scores = b.binary("Add", scores, b.weight(1, *b.shape(scores)[1:]))
    mixed = b.transpose(b.matmul(b.softmax(scores), value), 0, 2, 1, 3)
    return b.linear(b.reshape(mixed, batch, length, channels), channels)


def _transformer_block(b: GraphBuilder, rng: Draw, x: int, heads: int, style: str, *, scaled: bool) -> int:
    channels = b.shape(x)[-1]
    y = _attention(b, rng, b.layer_norm(x), heads, style)
    x = b.binary("Add", b.binary("Mul", y, b.weight(channels)) if scaled else y, x)
    y = b.linear(b.layer_norm(x), channels * rng.choice((2, 4, 4)))
    y = b.linear(b.activation(rng.choice(("gelu", "gelu", "silu")), y), channels)
    return b.binary("Add", b.binary("Mul", y, b.weight(channels)) if scaled else y, x)


def _width(rng: Draw) -> tuple[int, int]:
    """Number of heads, and channels of all of them."""
    heads = rng.choice((2, 3, 4, 5, 6, 8))
    return heads, heads * rng.choice((24, 32, 36, 48, 64))


def _transformer(rng: Draw, name: str) -> Graph:
    """Patch tokens, one extra token and position embeddings, then attention and linear layers."""
    b = GraphBuilder()
    size, patch = rng.choice(((160, 16), (192, 16), (224, 16), (224, 14), (256, 16), (224, 32)))
    heads, channels = _width(rng)
    x = _tokens(b, b.conv(b.input(1, 3, size, size), channels, patch, patch, pad=0))
    x = b.concat(1, b.weight(1, 1, channels), x)
    x = b.binary("Add", x, b.weight(*b.shape(x)))
    style, scaled = rng.choice(("scaled", "scaled", "divided", "multiplied")), rng.random() < 0.3
    for _ in range(rng.randint(1, 3)):
        x = _transformer_block(b, rng, x, heads, style, scaled=scaled)
    x = b.layer_norm(x)
    first = b.node("Gather", (x, b.integer(0)), (1, channels), axis=1)
    return b.graph([b.linear(first, rng.choice((100, 1000)))], name)


def _pyramid(rng: Draw, name: str) -> Graph:
    """Attention on an image with keys and values from a smaller one; depthwise convolutions between layers."""
    b = GraphBuilder()
    heads, channels = rng.choice((1, 2, 4, 5)), rng.choice((32, 64))
    channels *= heads
    size, patch, ratio = rng.choice(((224, 4, 4), (224, 8, 4), (224, 16, 2), (192, 8, 2), (224, 16, 1), (256, 32, 1)))
    x = b.conv(b.input(1, 3, size, size), channels, *(rng.choice(((patch, patch, 1, 0), (7, patch, 1, 3)))))
    side = b.shape(x)[2]
    x = b.layer_norm(_tokens(b, x))
    style, mixing = rng.choice(("divided", "scaled", "multiplied")), rng.random() < 0.5
    for _ in range(rng.randint(1, 2)):
        y = b.layer_norm(x)
        keys = (
            None
            if ratio == 1
            else b.layer_norm(_tokens(b, b.conv(_as_image(b, y, side), channels, ratio, ratio, pad=0)))
        )
        x = b.binary("Add", _attention(b, rng, y, heads, style, keys), x)
        y = b.linear(b.layer_norm(x), 4 * channels)
        if mixing:
            y = _tokens(b, b.conv(_as_image(b, y, side), 4 * channels, 3, 1, 4 * channels))
        x = b.binary("Add", b.linear(b.activation("gelu", y), channels), x)
    if rng.random() < 0.5 and side > 7:
        x = _tokens(b, b.conv(_as_image(b, x, side), 2 * channels, 3, 2))
    x = b.layer_norm(x)
    mean = b.node("ReduceMean", (x,), (1, b.shape(x)[-1]), axes=(1,), keepdims=0)
    return b.graph([b.linear(mean, 1000)], name)


def _windows(rng: Draw, name: str) -> Graph:
    """Attention in windows of a shifted image, with a table of biases."""
    b = GraphBuilder()
    heads = rng.choice((3, 4, 6, 12))
    channels, side, window = 32 * heads, rng.choice((14, 28, 56)) if heads < 12 else 14, 7
    x = b.input(1, side * side, channels)
    for number in range(rng.randint(1, 2)):
        y = b.reshape(b.layer_norm(x), 1, side, side, channels)
        y = _rolled(b, y, 3) if number % 2 else y
        y = b.reshape(y, 1, side // window, window, side // window, window, channels)
        y = b.reshape(b.transpose(y, 0, 1, 3, 2, 4, 5), (side // window) ** 2, window**2, channels)
        y = _attention(b, rng, y, heads, "biased")
        y = b.reshape(y, 1, side // window, side // window, window, window, channels)
        y = b.reshape(b.transpose(y, 0, 1, 3, 2, 4, 5), 1, side, side, channels)
        y = _rolled(b, y, side - 3) if number % 2 else y
        x = b.binary("Add", b.reshape(y, 1, side * side, channels), x)
        y = b.linear(b.activation("gelu", b.linear(b.layer_norm(x), 4 * channels)), channels)
        x = b.binary("Add", y, x)
    x = b.reshape(x, 1, side // 2, 2, side // 2, 2, channels)
    parts = [b.slice(b.slice(x, 2, row, row + 1), 4, column, column + 1) for column in (0, 1) for row in (0, 1)]
    parts = [b.reshape(part, 1, side // 2, side // 2, channels) for part in parts]
    merged = b.reshape(b.concat(3, *parts), 1, side * side // 4, 4 * channels)
    return b.graph([b.linear(b.layer_norm(merged), 2 * channels)], name)


def _rolled(b: GraphBuilder, x: int, by: int) -> int:
    """(N, H, W, C) rolled by a number of positions along height and width."""
    for axis in (1, 2):
        size = b.shape(x)[axis]
        x = b.concat(axis, b.slice(x, axis, by, size), b.slice(x, axis, 0, by))
    return x


def _pooled(rng: Draw, name: str) -> Graph:
    """Normalization over an image, its 3x3 mean minus itself, and 1x1 convolutions; each scaled and added."""
    b = GraphBuilder()
    size = rng.choice((128, 192, 224))
    x = b.conv(b.input(1, 3, size, size), rng.choice((48, 64, 96)), 7, 4, pad=2)
    for _ in range(rng.randint(2, 4)):
        given, side = b.shape(x)[1], b.shape(x)[2]
        if rng.random() < 0.6 and side > 7:
            x = b.conv(x, rng.choice((128, 192, 320, 512)), 3, 2)
            given = b.shape(x)[1]
        y = _group_norm(b, x)
        y = b.binary("Sub", b.pool("AveragePool", y, 3, 1, count_include_pad=0), y)
        x = b.binary("Add", x, b.binary("Mul", y, b.weight(given, 1, 1)))
        y = b.activation("gelu", b.conv(_group_norm(b, x), 4 * given))
        x = b.binary("Add", x, b.binary("Mul", b.conv(y, given), b.weight(given, 1, 1)))
    return b.graph([_head(b, rng, x)], name)


def _group_norm(b: GraphBuilder, x: int) -> int:
    """Normalization over a full image, as exporters write it; a scale and a shift per channel."""
    shape = b.shape(x)
    flat = b.reshape(x, 1, 1, shape[1] * shape[2] * shape[3])
    normal = b.node("InstanceNormalization", (flat, b.weight(1), b.weight(1)), b.shape(flat), epsilon=1e-5)
    scaled = b.binary("Mul", b.reshape(normal, *shape), b.weight(shape[1], 1, 1))
    return b.binary("Add", scaled, b.weight(shape[1], 1, 1))


def _normed_linear(rng: Draw, name: str) -> Graph:
    """Attention with small heads after convolutions; its linear layers are followed by a batch normalization."""
    b = GraphBuilder()
    size = rng.choice((160, 224, 256))
    x = b.input(1, 3, size, size)
    channels = 32 * rng.choice((4, 6, 8, 12))
    for divisor in (8, 4, 2, 1):
        x = b.conv(x, channels // divisor, 3, 2)
        x = b.activation("hardswish", x) if divisor > 1 else x
    x = _tokens(b, x)
    for _ in range(rng.randint(1, 3)):
        x = b.binary("Add", x, _mixed_heads(b, rng, x))
        y = _linear_norm(b, b.activation("hardswish", _linear_norm(b, x, 2 * channels)), channels)
        x = b.binary("Add", x, y)
    mean = b.node("ReduceMean", (x,), (1, channels), axes=(1,), keepdims=0)
    return b.graph([b.linear(mean, 1000)], name)


def _linear_norm(b: GraphBuilder, x: int, features: int) -> int:
    """A linear layer without a bias, and a normalization by training statistics."""
    _, length, given = b.shape(x)
    y = b.node("MatMul", (x, b.weight(given, features)), (1, length, features))
    flat = b.node("Flatten", (b.reshape(y, length, features),), (length, features), axis=1)
    statistics = [b.weight(features) for _ in range(4)]
    y = b.node("BatchNormalization", (flat, *statistics), (length, features), epsilon=1e-5)
    return b.reshape(y, 1, length, features)


def _mixed_heads(b: GraphBuilder, rng: Draw, x: int) -> int:
    """Queries and keys of 16 channels, values of 32 or 64, from one linear layer that is split."""
    _, length, channels = b.shape(x)
    heads, short, wide = channels // 32, 16, rng.choice((32, 64))
    y = b.reshape(_linear_norm(b, x, heads * (2 * short + wide)), 1, length, heads, 2 * short + wide)
    query, key, value = b.split(y, 3, short, short, wide)
    scores = b.matmul(b.transpose(query, 0, 2, 1, 3), b.transpose(key, 0, 2, 3, 1))
    scores = b.binary("Add", b.binary("Mul", scores, b.scalar(0.25)), b.weight(heads, length, length))
    mixed = b.matmul(b.softmax(scores), b.transpose(value, 0, 2, 1, 3))
    mixed = b.reshape(b.transpose(mixed, 0, 2, 1, 3), 1, length, heads * wide)
    return _linear_norm(b, b.activation("hardswish", mixed), channels)


def _patches(rng: Draw, name: str) -> Graph:
    """Convolutions with attention between: an image is split into tokens, and reassembled."""
    b = GraphBuilder()
    x, act = b.input(1, 3, 256, 256), rng.choice(("silu", "silu", "relu"))
    for channels, stride in ((16, 2), (32, 2), (64, 2), (96, rng.choice((1, 2)))):
        x = b.activation(act, b.conv(x, channels, 3, stride))
    side, channels = b.shape(x)[2], rng.choice((96, 128, 144, 160, 192))
    y = b.conv(b.activation(act, b.conv(x, b.shape(x)[1], 3)), channels)
    y = b.reshape(b.reshape(y, channels * side // 2, 2, side // 2, 2), channels * side // 2, 2, side // 2, 2)
    y = b.reshape(b.transpose(y, 0, 2, 1, 3), 1, channels, side * side // 4, 4)
    y = b.reshape(b.transpose(y, 0, 3, 2, 1), 4, side * side // 4, channels)
    for _ in range(rng.randint(1, 2)):
        z = _attention(b, rng, b.layer_norm(y), 4, "divided")
        y = b.binary("Add", z, y)
        z = b.linear(b.activation("silu", b.linear(b.layer_norm(y), 2 * channels)), channels)
        y = b.binary("Add", z, y)
    y = b.transpose(b.reshape(b.layer_norm(y), 1, 4, side * side // 4, channels), 0, 3, 2, 1)
    y = b.transpose(b.reshape(y, channels * side // 2, side // 2, 2, 2), 0, 2, 1, 3)
    y = b.activation(act, b.conv(b.reshape(y, 1, channels, side, side), b.shape(x)[1]))
    x = b.activation(act, b.conv(b.concat(1, x, y), b.shape(x)[1], 3))
    return b.graph([_head(b, rng, x)], name)


def _projected(rng: Draw, name: str) -> Graph:
    """Attention with queries, keys and values from depthwise convolutions, written as einsum."""
    b = GraphBuilder()
    heads, side = rng.choice(((1, 56), (1, 28), (3, 28), (6, 14), (3, 14)))
    channels = 64 * heads
    x = b.layer_norm(_tokens(b, b.conv(b.input(1, 3, 4 * side, 4 * side), channels, 7, 4, pad=2)))
    normal = b.layer_norm(x)
    image = _as_image(b, normal, side)
    parts = []
    for stride in (1, 2, 2):
        y = b.linear(_tokens(b, b.conv(image, channels, 3, stride, channels)), channels)
        parts.append(_heads(b, y, heads))
    query, key, value = parts
    scores = b.node("Einsum", (query, key), (1, heads, b.shape(query)[2], b.shape(key)[2]), equation="bhlk,bhtk->bhlt")
    mixed = b.softmax(b.binary("Mul", scores, b.scalar(0.1)))
    y = b.node("Einsum", (mixed, value), b.shape(query), equation="bhlt,bhtv->bhlv")
    y = b.reshape(b.transpose(y, 0, 2, 1, 3), 1, side * side, channels)
    x = b.binary("Add", b.linear(y, channels), x)
    y = b.linear(b.activation("gelu", b.linear(b.layer_norm(x), 4 * channels)), channels)
    return b.graph([b.binary("Add", y, x)], name)


def _padded(rng: Draw, name: str) -> Graph:
    """Zeros added by a separate operator before unpadded convolutions; then channels last."""
    b = GraphBuilder()
    size, act = rng.choice((112, 160, 192, 224)), rng.choice(("silu", "silu", "relu", "hardswish"))
    x = b.conv(b.pad(b.input(1, 3, size, size), 0, 0, 1, 1), rng.choice((16, 32, 48)), 3, 2, pad=0)
    for _ in range(_depth(rng)):
        given, side = b.shape(x)[1], b.shape(x)[2]
        kernel = rng.choice((3, 5))
        x = b.activation(act, b.conv(x, given * rng.choice((2, 4))))
        if side > 8 and rng.random() < 0.7:
            x = _halved(b, x, kernel)
        else:
            x = b.conv(x, b.shape(x)[1], kernel, 1, b.shape(x)[1])
        x = b.conv(_gate(b, rng, b.activation(act, x), act), min(2 * given, 192))
    x = b.layer_norm(_channels_last(b, x))
    x = b.linear(b.pad(x, 0, rng.randint(1, 4), rng.randint(1, 4), 0), rng.choice((96, 192)))
    return b.graph([x], name)


def _decoder(rng: Draw, name: str) -> Graph:
    """An image downsampled and upsampled, with its sizes joined: nearest or linear upsampling, concatenation."""
    b = GraphBuilder()
    x, _ = _image(b, rng)
    act, mode = rng.choice(("relu", "silu")), rng.choice(("nearest", "linear"))
    levels = [x]
    for _ in range(rng.randint(1, 2)):
        levels.append(b.activation(act, b.conv(levels[-1], min(2 * b.shape(levels[-1])[1], 256), 3, 2)))
    x = levels.pop()
    while levels:
        level = levels.pop()
        x = b.concat(1, b.resize(b.conv(x, b.shape(level)[1]), 2, mode), level)
        x = b.activation(act, b.conv(x, b.shape(level)[1], 3))
    return b.graph([b.conv(x, rng.choice((8, 21)))], name)


FAMILIES: dict[str, Callable[[Draw, str], Graph]] = {
    "inverted": _inverted,
    "residual": _residual,
    "transformer": _transformer,
    "separable": _separable,
    "channels-last": _last_axis_blocks,
    "pyramid": _pyramid,
    "windows": _windows,
    "patches": _patches,
    "pooled": _pooled,
    "normed-linear": _normed_linear,
    "projected": _projected,
    "decoder": _decoder,
    "padded": _padded,
}
"""By name."""
