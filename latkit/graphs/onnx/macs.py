"""Multiply-accumulates of nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from latkit.graphs.node import ABSENT, MAX_ELEMENTS, Node, Tensor

RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
"""Operators that run a step for every entry of a sequence."""


def node_macs(node: Node, tensors: Sequence[Tensor]) -> int:
    """Multiply-accumulates of one node: convolutions, matrix products and recurrent operators; others count none."""
    return min(_macs(node, [tensors[n].shape if n != ABSENT else () for n in node.inputs]), MAX_ELEMENTS)


def _macs(node: Node, shapes: list[tuple[int, ...]]) -> int:
    made = node.outputs[0].elements
    if len(shapes) < 2:
        return 0
    if node.op in ("Conv", "ConvInteger"):
        return made * math.prod(shapes[1][1:])
    if node.op == "ConvTranspose":
        return math.prod(shapes[0]) * math.prod(shapes[1][1:])
    if node.op in ("MatMul", "MatMulInteger"):
        return made * (shapes[0][-1] if shapes[0] else 1)
    if node.op == "Gemm":
        return made * shapes[0][0 if node.get("transA", 0) else 1]
    if node.op in RECURRENT and len(shapes) > 2:
        return _recurrent_macs(*shapes[:3])
    if node.op == "Einsum":
        return _einsum_macs(node, shapes)
    return 0


def _recurrent_macs(sequence: tuple[int, ...], weights: tuple[int, ...], recurrent_weights: tuple[int, ...]) -> int:
    """Every entry of every sequence is multiplied with all weights once, including those of both directions."""
    return math.prod(sequence[:-1]) * (math.prod(weights) + math.prod(recurrent_weights))


def _einsum_macs(node: Node, shapes: list[tuple[int, ...]]) -> int:
    """Product of the sizes of all its letters, as if it were computed in one step."""
    terms = str(node.get("equation", "")).replace(" ", "").split("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=False):
        before, dots, after = term.partition("...")
        sizes |= zip(before, shape, strict=False)
        if dots:
            broadcast_shape = shape[len(before) : max(len(shape) - len(after), len(before))]
            sizes |= {f"...{place}": size for place, size in enumerate(reversed(broadcast_shape))}
            sizes |= zip(reversed(after), reversed(shape), strict=False)
    return math.prod(sizes.values())
