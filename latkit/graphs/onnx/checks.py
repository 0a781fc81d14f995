"""Checks that a node is valid for its operator: counting and describing nodes relies on it."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.errors import UsageError
from latkit.graphs.node import ABSENT, Node, Tensor
from latkit.graphs.onnx.defaults import CONVOLUTIONS, POOLS
from latkit.graphs.onnx.macs import RECURRENT
from latkit.graphs.onnx.operators import BINARY, UNARY, VIEWS

_INTEGERS = frozenset(
    {"axis", "group", "transA", "transB", "keepdims", "hidden_size", "count_include_pad", "ceil_mode", "layout"}
)
_LISTS = frozenset({"perm", "kernel_shape", "strides", "pads", "dilations", "axes"})
_TEXTS = frozenset({"mode", "equation", "auto_pad", "direction"})

_REQUIRED = {
    **dict.fromkeys(UNARY | VIEWS, 1),
    **dict.fromkeys(BINARY, 2),
    **dict.fromkeys(CONVOLUTIONS, 2),
    **dict.fromkeys(POOLS, 1),
    **dict.fromkeys(RECURRENT, 3),
    "MatMul": 2,
    "Gemm": 2,
    "Where": 3,
    "Max": 1,
    "Min": 1,
    "Transpose": 1,
}
"""Number of first inputs that an operator requires."""

_EXACT = BINARY - {"Max", "Min"}
"""Operators that take no more inputs than the required ones."""

_RANKS: dict[str, tuple[int | None, ...]] = {
    "Gemm": (2, 2),
    **dict.fromkeys(RECURRENT, (3, 3, 3)),
}


def check_node(node: Node, tensors: Sequence[Tensor]) -> None:
    """Raise UsageError unless a node has the inputs, ranks and types of attributes that its operator needs."""
    required = _REQUIRED.get(node.op, 0)
    if len(node.inputs) < required or ABSENT in node.inputs[:required]:
        raise _wrong(node, f"{required} inputs", str(len(node.inputs)))
    if node.op in _EXACT and len(node.inputs) != required:
        raise _wrong(node, f"{required} inputs", str(len(node.inputs)))
    _check_settings(node)
    shapes = [tensors[number].shape if number != ABSENT else () for number in node.inputs]
    for place, rank in enumerate(_RANKS.get(node.op, ())):
        if len(shapes[place]) != rank:
            raise _wrong(node, f"an input of rank {rank}", str(shapes[place]))
    if node.op == "MatMul" and not (shapes[0] and shapes[1]):
        raise _wrong(node, "vectors, matrices or more", "a single number")
    if node.op in CONVOLUTIONS or node.op in POOLS:
        _check_windows(node, shapes)
    if node.op == "Transpose" and sorted(node.get("perm", ())) != list(range(len(shapes[0]))):
        raise _wrong(node, f"an order of {len(shapes[0])} axes", str(node.get("perm")))


def _wrong(node: Node, expected: str, found: str) -> UsageError:
    return UsageError(f"{node.op[:50]}: expected {expected}, but found {found[:200]}")


def _check_settings(node: Node) -> None:
    for name, value in node.attributes:
        if name in _INTEGERS and type(value) is not int:
            raise _wrong(node, f"a whole number as {name}", repr(value))
        if name in _TEXTS and not isinstance(value, str):
            raise _wrong(node, f"text as {name}", repr(value))
        if name in _LISTS and not (isinstance(value, tuple) and all(type(one) is int for one in value)):
            raise _wrong(node, f"whole numbers as {name}", repr(value))


def _check_windows(node: Node, shapes: Sequence[tuple[int, ...]]) -> None:
    """Convolutions and pools: one rank for all fields, a window for every axis but the first two."""
    rank = len(shapes[0])
    if rank < 3 or len(node.outputs[0].shape) != rank or (node.op in CONVOLUTIONS and len(shapes[1]) != rank):
        raise _wrong(node, "an input, weights and an output of one rank, 3 or more", str(shapes[:2]))
    for name, count, minimum in (
        ("kernel_shape", rank - 2, 1),
        ("strides", rank - 2, 1),
        ("dilations", rank - 2, 1),
        ("pads", 2 * (rank - 2), None),
    ):
        values = node.get(name)
        if values is None and name in ("dilations", "pads"):
            continue
        if values is None or len(values) != count or (minimum is not None and min(values) < minimum):
            raise _wrong(node, f"{count} numbers as {name}", str(values))
    if node.op in CONVOLUTIONS:
        _check_groups(node, shapes[0][1], shapes[1])


def _check_groups(node: Node, channels: int, weights: tuple[int, ...]) -> None:
    """Convolutions: the channels are those of the weights, in groups of one size. Runtimes reject others."""
    groups, made = node.get("group"), node.outputs[0].shape[1]
    if groups < 1:
        raise _wrong(node, "a group of at least 1", str(groups))
    given = weights[0] if node.op == "ConvTranspose" else weights[1] * groups
    expected = weights[1] * groups if node.op == "ConvTranspose" else weights[0]
    if (channels, made) != (given, expected) or channels % groups or made % groups:
        raise _wrong(
            node,
            f"{given} input and {expected} output channels, by its weights and {groups} groups of one size",
            f"{channels} and {made}",
        )
