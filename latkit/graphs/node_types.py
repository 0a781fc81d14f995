"""Node types: the kind of work of a node, as far as its cost depends on it."""

from __future__ import annotations

from latkit.graphs.graph import Graph, Node
from latkit.graphs.operators import BINARY

_SAME_COST = {"Sub": "Add", "Flatten": "Reshape"}


def node_kind(graph: Graph, node: Node) -> str:
    """The node's kind in lower case, such as `conv_depthwise`, `mul_broadcast` or `transpose_heads`."""
    if node.op == "Conv":
        return _conv_kind(graph, node)
    if node.op in BINARY:
        return _binary_kind(graph, node)
    if node.op == "Transpose":
        return _transpose_kind(tuple(node.get("perm", ())))
    if node.op in ("MatMul", "Gemm"):
        return "linear" if graph.constant(node.inputs[1]) else "matmul"
    if node.op.startswith("Global") or node.op in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceL2"):
        return "reduce"
    return node.op.lower()


def _conv_kind(graph: Graph, node: Node) -> str:
    groups = node.get("group", 1)
    if groups == 1:
        return "conv"
    return "conv_depthwise" if groups == graph.tensors()[node.inputs[0]].shape[1] else "conv_grouped"


def _binary_kind(graph: Graph, node: Node) -> str:
    """By operands: two tensors of one size, a tensor and a smaller one, or a tensor and constants."""
    name = _SAME_COST.get(node.op, node.op).lower()
    constants = [constant for number in node.inputs if (constant := graph.constant(number)) is not None]
    if constants:
        return f"{name}_scalar" if constants[0].tensor.elements == 1 else f"{name}_constant"
    tensors = graph.tensors()
    same = all(tensors[number].shape == node.outputs[0].shape for number in node.inputs)
    return name if same else f"{name}_broadcast"


def _transpose_kind(perm: tuple[int, ...]) -> str:
    """By the axes that move: the last axis stays (full rows are copied), the last two are swapped, or any other."""
    rank = len(perm)
    if perm and perm[-1] == rank - 1:
        return "transpose_rows"
    if perm[:-2] == tuple(range(rank - 2)):
        return "transpose_last"
    return "transpose"
