"""What several families have in common: stems, gates, layouts, attention, a classifier; and draws of sizes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from latkit.graphs.onnx.builder import GraphBuilder

T = TypeVar("T")


class Draw(random.Random):
    """Draws for one network of a family: of sizes at random, of styles so that all occur."""

    def __init__(self, seed: int, number: int, family: str) -> None:
        super().__init__(f"{seed}/{number}/{family}")
        self._seed, self._number, self._family, self._choices = seed, number, family, 0

    def balanced(self, options: Sequence[T]) -> T:
        """One of the options. Each block of `len(options)` networks of a family has every option once, shuffled.

        Few networks are drawn: independent draws would leave out some styles.
        """
        block, place = divmod(self._number, len(options))
        order = list(options)
        random.Random(f"{self._seed}/{self._family}/{self._choices}/{block}").shuffle(order)
        self._choices += 1
        return order[place]


ACTIVATIONS = ("relu", "relu6", "silu", "hardswish", "hardswish_op", "gelu")
CHANNELS = (16, 24, 32, 40, 48, 64, 80, 96, 104, 112, 128, 144, 160, 192, 208, 256, 320, 384, 440, 512, 640, 768)


def add_image(b: GraphBuilder, rng: Draw) -> tuple[int, int]:
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


def draw_channels(rng: Draw, min_channels: int, size: int) -> int:
    """Number of channels for an image of that size: few where it is large."""
    max_channels = max(32, 40000 // size // max(size // 14, 1))
    return rng.choice([n for n in CHANNELS if min_channels <= n <= max(max_channels, min_channels)] or [min_channels])


def add_classifier(b: GraphBuilder, rng: Draw, x: int) -> int:
    """Global average, and a linear layer to 10, 100 or 1000 classes."""
    x = b.global_pool(x)
    x = b.reshape(x, 1, b.shape(x)[1])
    return b.linear(x, rng.choice((10, 100, 1000)))


def add_gate(b: GraphBuilder, rng: Draw, x: int, act: str) -> int:
    """Squeeze and excite: every channel times a factor computed from the means of all channels."""
    channels = b.shape(x)[1]
    squeezed = b.conv(b.global_pool(x), max(8, channels // rng.choice((4, 16, 24))))
    gate = b.unary("Sigmoid", b.conv(b.activation(act, squeezed), channels))
    return b.binary("Mul", x, gate)


def draw_depth(rng: Draw) -> int:
    """Number of blocks: 3 to 6."""
    return rng.randint(3, 6)


def channels_last(b: GraphBuilder, x: int) -> int:
    """(N, C, H, W) as (N, H, W, C)."""
    return b.transpose(x, 0, 2, 3, 1)


def channels_first(b: GraphBuilder, x: int) -> int:
    """(N, H, W, C) as (N, C, H, W)."""
    return b.transpose(x, 0, 3, 1, 2)


def as_tokens(b: GraphBuilder, x: int) -> int:
    """(N, C, H, W) as (N, H x W, C)."""
    batch, channels, height, width = b.shape(x)
    return b.transpose(b.reshape(x, batch, channels, height * width), 0, 2, 1)


def as_image(b: GraphBuilder, x: int, size: int) -> int:
    """(N, H x W, C) as (N, C, H, W)."""
    batch, _, channels = b.shape(x)
    return b.reshape(b.transpose(x, 0, 2, 1), batch, channels, size, size)


def as_heads(b: GraphBuilder, x: int, heads: int, *, turned: bool = False) -> int:
    """(N, L, C) as (N, heads, L, C / heads), or with the last two axes swapped."""
    batch, length, channels = b.shape(x)
    split = b.reshape(x, batch, length, heads, channels // heads)
    return b.transpose(split, 0, 2, 3, 1) if turned else b.transpose(split, 0, 2, 1, 3)


def add_attention(b: GraphBuilder, rng: Draw, x: int, heads: int, style: str, keys: int | None = None) -> int:
    """Self-attention of (N, L, C), or attention to `keys` of (N, K, C), in the style of one exporter or another."""
    batch, length, channels = b.shape(x)
    source = x if keys is None else keys
    query = as_heads(b, b.linear(x, channels), heads)
    value = as_heads(b, b.linear(source, channels), heads)
    made = b.linear(source, channels)
    if style == "scaled":  # as torch's attention is written: both factors times the root of the scale
        key = b.binary("Mul", as_heads(b, made, heads, turned=True), b.scalar(0.42))
        scores = b.matmul(b.binary("Mul", query, b.scalar(0.42)), key)
    elif style == "divided":
        key = (
            b.transpose(as_heads(b, made, heads), 0, 1, 3, 2)
            if rng.random() < 0.5
            else as_heads(b, made, heads, turned=True)
        )
        scores = b.binary("Div", b.matmul(query, key), b.scalar(5.6))
    else:
        scores = b.binary("Mul", b.matmul(query, as_heads(b, made, heads, turned=True)), b.scalar(0.2))
    if style == "biased":
        scores = b.binary("Add", scores, b.weight(1, *b.shape(scores)[1:]))
    mixed = b.transpose(b.matmul(b.softmax(scores), value), 0, 2, 1, 3)
    return b.linear(b.reshape(mixed, batch, length, channels), channels)
