"""Families with attention: over patches, pyramids, windows, and mixed with convolutions."""

from __future__ import annotations

from latkit.graphs.generators.parts import Draw, add_attention, add_classifier, as_heads, as_image, as_tokens
from latkit.graphs.graph import Graph
from latkit.graphs.onnx.builder import GraphBuilder


def _transformer_block(b: GraphBuilder, rng: Draw, x: int, heads: int, style: str, *, scaled: bool) -> int:
    channels = b.shape(x)[-1]
    y = add_attention(b, rng, b.layer_norm(x), heads, style)
    x = b.binary("Add", b.binary("Mul", y, b.weight(channels)) if scaled else y, x)
    y = b.linear(b.layer_norm(x), channels * rng.choice((2, 4, 4)))
    y = b.linear(b.activation(rng.choice(("gelu", "gelu", "silu")), y), channels)
    return b.binary("Add", b.binary("Mul", y, b.weight(channels)) if scaled else y, x)


def _width(rng: Draw) -> tuple[int, int]:
    """Number of heads, and channels of all of them."""
    heads = rng.choice((2, 3, 4, 5, 6, 8))
    return heads, heads * rng.choice((24, 32, 36, 48, 64))


def transformer(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """Patch tokens, one extra token and position embeddings, then attention and linear layers."""
    size, patch = rng.choice(((160, 16), (192, 16), (224, 16), (224, 14), (256, 16), (224, 32)))
    heads, channels = _width(rng)
    x = as_tokens(b, b.conv(b.input(1, 3, size, size), channels, patch, patch, pad=0))
    x = b.concat(1, b.weight(1, 1, channels), x)
    x = b.binary("Add", x, b.weight(*b.shape(x)))
    style, scaled = rng.balanced(("scaled", "scaled", "divided", "multiplied")), rng.random() < 0.3
    for _ in range(rng.randint(1, 3)):
        x = _transformer_block(b, rng, x, heads, style, scaled=scaled)
    x = b.layer_norm(x)
    first = b.first_token(x)
    return b.graph([b.linear(first, rng.choice((100, 1000)))], name)


def pyramid(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """Attention on an image with keys and values from a smaller one; depthwise convolutions between layers."""
    heads, channels = rng.choice((1, 2, 4, 5)), rng.choice((32, 64))
    channels *= heads
    size, patch, ratio = rng.choice(((224, 4, 4), (224, 8, 4), (224, 16, 2), (192, 8, 2), (224, 16, 1), (256, 32, 1)))
    x = b.conv(b.input(1, 3, size, size), channels, *(rng.choice(((patch, patch, 1, 0), (7, patch, 1, 3)))))
    side = b.shape(x)[2]
    x = b.layer_norm(as_tokens(b, x))
    style, mixing = rng.balanced(("divided", "scaled", "multiplied")), rng.balanced((True, False))
    for _ in range(rng.randint(1, 2)):
        y = b.layer_norm(x)
        keys = (
            None
            if ratio == 1
            else b.layer_norm(as_tokens(b, b.conv(as_image(b, y, side), channels, ratio, ratio, pad=0)))
        )
        x = b.binary("Add", add_attention(b, rng, y, heads, style, keys), x)
        y = b.linear(b.layer_norm(x), 4 * channels)
        if mixing:
            y = as_tokens(b, b.conv(as_image(b, y, side), 4 * channels, 3, 1, 4 * channels))
        x = b.binary("Add", b.linear(b.activation("gelu", y), channels), x)
    if rng.random() < 0.5 and side > 7:
        x = as_tokens(b, b.conv(as_image(b, x, side), 2 * channels, 3, 2))
    x = b.layer_norm(x)
    mean = b.token_mean(x)
    return b.graph([b.linear(mean, 1000)], name)


def windows(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """Attention in windows of a shifted image, with a table of biases."""
    heads = rng.choice((3, 4, 6, 12))
    channels, side, window = 32 * heads, rng.choice((14, 28, 56)) if heads < 12 else 14, 7
    x = b.input(1, side * side, channels)
    for number in range(rng.randint(1, 2)):
        y = b.reshape(b.layer_norm(x), 1, side, side, channels)
        y = _rolled(b, y, 3) if number % 2 else y
        y = b.reshape(y, 1, side // window, window, side // window, window, channels)
        y = b.reshape(b.transpose(y, 0, 1, 3, 2, 4, 5), (side // window) ** 2, window**2, channels)
        y = add_attention(b, rng, y, heads, "biased")
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


def normed_linear(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """Attention with small heads after convolutions; its linear layers are followed by a batch normalization."""
    size = rng.choice((160, 224, 256))
    x = b.input(1, 3, size, size)
    channels = 32 * rng.choice((4, 6, 8, 12))
    for divisor in (8, 4, 2, 1):
        x = b.conv(x, channels // divisor, 3, 2)
        x = b.activation("hardswish", x) if divisor > 1 else x
    x = as_tokens(b, x)
    for _ in range(rng.randint(1, 3)):
        x = b.binary("Add", x, _mixed_heads(b, rng, x))
        y = _linear_norm(b, b.activation("hardswish", _linear_norm(b, x, 2 * channels)), channels)
        x = b.binary("Add", x, y)
    mean = b.token_mean(x)
    return b.graph([b.linear(mean, 1000)], name)


def _linear_norm(b: GraphBuilder, x: int, features: int) -> int:
    """A linear layer without a bias, and a normalization by training statistics."""
    length = b.shape(x)[1]
    y = b.product(x, features)
    return b.reshape(b.batch_norm(b.flatten(b.reshape(y, length, features))), 1, length, features)


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


def patches(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """Convolutions with attention between: an image is split into tokens, and reassembled."""
    x, act = b.input(1, 3, 256, 256), rng.balanced(("silu", "silu", "relu"))
    for channels, stride in ((16, 2), (32, 2), (64, 2), (96, rng.choice((1, 2)))):
        x = b.activation(act, b.conv(x, channels, 3, stride))
    side, channels = b.shape(x)[2], rng.choice((96, 128, 144, 160, 192))
    y = b.conv(b.activation(act, b.conv(x, b.shape(x)[1], 3)), channels)
    y = b.reshape(b.reshape(y, channels * side // 2, 2, side // 2, 2), channels * side // 2, 2, side // 2, 2)
    y = b.reshape(b.transpose(y, 0, 2, 1, 3), 1, channels, side * side // 4, 4)
    y = b.reshape(b.transpose(y, 0, 3, 2, 1), 4, side * side // 4, channels)
    for _ in range(rng.randint(1, 2)):
        z = add_attention(b, rng, b.layer_norm(y), 4, "divided")
        y = b.binary("Add", z, y)
        z = b.linear(b.activation("silu", b.linear(b.layer_norm(y), 2 * channels)), channels)
        y = b.binary("Add", z, y)
    y = b.transpose(b.reshape(b.layer_norm(y), 1, 4, side * side // 4, channels), 0, 3, 2, 1)
    y = b.transpose(b.reshape(y, channels * side // 2, side // 2, 2, 2), 0, 2, 1, 3)
    y = b.activation(act, b.conv(b.reshape(y, 1, channels, side, side), b.shape(x)[1]))
    x = b.activation(act, b.conv(b.concat(1, x, y), b.shape(x)[1], 3))
    return b.graph([add_classifier(b, rng, x)], name)


def projected(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """Attention with queries, keys and values from depthwise convolutions, written as einsum."""
    heads, side = rng.choice(((1, 56), (1, 28), (3, 28), (6, 14), (3, 14)))
    channels = 64 * heads
    x = b.layer_norm(as_tokens(b, b.conv(b.input(1, 3, 4 * side, 4 * side), channels, 7, 4, pad=2)))
    normal = b.layer_norm(x)
    image = as_image(b, normal, side)
    parts = []
    for stride in (1, 2, 2):
        y = b.linear(as_tokens(b, b.conv(image, channels, 3, stride, channels)), channels)
        parts.append(as_heads(b, y, heads))
    query, key, value = parts
    scores = b.scores(query, key)
    mixed = b.softmax(b.binary("Mul", scores, b.scalar(0.1)))
    y = b.mixed(mixed, value)
    y = b.reshape(b.transpose(y, 0, 2, 1, 3), 1, side * side, channels)
    x = b.binary("Add", b.linear(y, channels), x)
    y = b.linear(b.activation("gelu", b.linear(b.layer_norm(x), 4 * channels)), channels)
    return b.graph([b.binary("Add", y, x)], name)
