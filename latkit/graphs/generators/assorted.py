"""A family of operators that other families seldom have: pools of many windows, masks, repeated and resized tensors."""

from __future__ import annotations

from latkit.graphs.generators.parts import Draw, add_classifier, add_image, draw_depth
from latkit.graphs.graph import Graph
from latkit.graphs.onnx.builder import GraphBuilder


def assorted(b: GraphBuilder, rng: Draw, name: str) -> Graph:
    """Pools of many windows beside convolutions, joined again, plus a vector computed from the full image; an image
    resized; a masked score of all pixels."""
    x, _ = add_image(b, rng)
    for _ in range(draw_depth(rng)):
        channels, side = b.shape(x)[1], b.shape(x)[2]
        kernel = rng.choice((3, 3, 5, 7, 9, 13))
        parts = [
            b.conv(x, channels // 2),
            b.pool("MaxPool", b.conv(x, channels // 4), rng.choice((3, 5, 9)), 1),
            b.pool("AveragePool", b.conv(x, channels // 4), kernel, 1),
        ]
        x = b.activation(rng.choice(("relu", "silu", "hardswish")), b.concat(1, *parts))
        x = b.binary("Add", x, b.conv(b.global_pool(x), b.shape(x)[1]))
        if side > 14:
            x = b.pool(rng.choice(("MaxPool", "AveragePool")), x, rng.choice((3, 5)), 2)
    x = b.conv(b.resize(x, 2, rng.choice(("nearest", "linear"))), rng.choice((16, 32, 64)), 3, 2)
    batch, channels, height, width = b.shape(x)
    tokens = b.reshape(x, batch, channels, height * width)
    repeated = b.broadcast(b.mean(tokens, (1,)), batch, channels, height * width)
    masked = b.binary("Add", b.binary("Mul", tokens, repeated), b.mask(batch, channels, height * width))
    masked = b.reshape(masked, batch, channels, height, width)
    return b.graph([add_classifier(b, rng, masked)], name)
