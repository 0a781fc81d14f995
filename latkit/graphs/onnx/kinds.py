"""Node types of ONNX."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

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
    mode = node.get("mode", NEAREST) if node.op == "Resize" else NEAREST
    return node.op.lower() if mode == NEAREST else f"{node.op.lower()}_{mode}"


NEAREST, LINEAR = "nearest", "linear"
"""Modes of Resize: copies of pixels, and means of neighbors, which take many times as long."""


def with_other_mode(kernel: Graph) -> Sequence[Graph]:
    """An image of floats that is resized in the other mode, since a quantizer may leave those of one mode in floats
    alone; nothing for other kernels."""
    (node, *others) = kernel.nodes
    mode = node.get("mode", NEAREST)
    if others or node.op != "Resize" or mode not in (NEAREST, LINEAR):
        return ()
    settings = dict(node.attributes) | {"mode": LINEAR if mode == NEAREST else NEAREST}
    return (replace(kernel, nodes=(replace(node, attributes=tuple(settings.items())),)),)


def _conv_kind(graph: Graph, node: Node) -> str:
    given, weights = (graph.tensors()[number].shape for number in node.inputs[:2])
    groups, channels = node.get("group", 1), given[1]
    if groups == 1:
        return "conv_image" if channels <= IMAGE_CHANNELS and math.prod(weights[2:]) > 1 else "conv"
    return "conv_depthwise" if groups == channels else "conv_grouped"


IMAGE_CHANNELS = 3
"""Maximum number of channels of a photograph. onnxruntime computes its convolution by another routine, since they fill
no vector: as a kind of its own, neither its time nor what it saves beside its neighbors is taken for that of others."""
