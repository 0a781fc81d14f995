"""Node types that dialects share: the kind of work of a node, as far as its cost depends on it."""

from __future__ import annotations

from latkit.graphs.graph import Graph, Node

_SAME_COST = {"Sub": "Add", "Flatten": "Reshape"}


def binary_kind(graph: Graph, node: Node) -> str:
    """By operands: two tensors of one size, a tensor and a smaller one, or a tensor and constants."""
    name = _SAME_COST.get(node.op, node.op).lower()
    constants = [constant for number in node.inputs if (constant := graph.constant(number)) is not None]
    if constants:
        return f"{name}_scalar" if constants[0].tensor.elements == 1 else f"{name}_constant"
    tensors = graph.tensors()
    same = all(tensors[number].shape == node.outputs[0].shape for number in node.inputs)
    return name if same else f"{name}_broadcast"


def transpose_kind(perm: tuple[int, ...]) -> str:
    """By the axes that move: the last axis stays (full rows are copied), the last two are swapped, or any other."""
    rank = len(perm)
    if perm and perm[-1] == rank - 1:
        return "transpose_rows"
    if perm[:-2] == tuple(range(rank - 2)):
        return "transpose_last"
    return "transpose"


def reduced_axes(graph: Graph, node: Node) -> tuple[int, ...]:
    """The axes over which a reduction of TFLite goes, counted from 0; empty where they are not known."""
    rank = len(graph.tensors()[node.inputs[0]].shape)
    constant = graph.constant(node.inputs[1]) if len(node.inputs) > 1 else None
    return tuple(sorted(int(axis) % max(rank, 1) for axis in (constant.values if constant else None) or ()))


def permutation(graph: Graph, node: Node) -> tuple[int, ...]:
    """The order of the axes that a transposition gives, an attribute or a constant; empty where it is not known."""
    if (order := node.get("perm")) is not None:
        return tuple(order)
    constant = graph.constant(node.inputs[1]) if len(node.inputs) > 1 else None
    values = constant.values if constant is not None else None
    return tuple(int(axis) for axis in values or ())
