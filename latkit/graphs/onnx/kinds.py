"""Node types of ONNX."""

from __future__ import annotations

from latkit.graphs.graph import Graph, Node
from latkit.graphs.node_types import binary_kind, permutation, transpose_kind
from latkit.graphs.onnx.operators import BINARY


def node_kind(graph: Graph, node: Node) -> str:
    """The node's kind in lower case, such as `conv_depthwise`, `mul_broadcast` or `transpose_last`."""
    if node.op == "Conv":
        return _conv_kind(graph, node)
    if node.op in BINARY:
        return binary_kind(graph, node)
    if node.op == "Transpose":
        return transpose_kind(permutation(graph, node))
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
