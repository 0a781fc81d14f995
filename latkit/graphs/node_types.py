"""Node types: the kind of work of a node, as far as its cost depends on it."""

from __future__ import annotations

from latkit.graphs.graph import ABSENT, Graph, Node
from latkit.graphs.node import QUANTIZED
from latkit.graphs.onnx.operators import BINARY
from latkit.graphs.tflite.nodes import BINARY as TFLITE_BINARY
from latkit.graphs.tflite.nodes import REDUCTIONS

_SAME_COST = {"Sub": "Add", "Flatten": "Reshape"}


def node_kind(graph: Graph, node: Node) -> str:
    """The node's kind in lower case, such as `conv_depthwise`, `mul_broadcast` or `transpose_heads`."""
    return _KINDS[graph.dialect](graph, node)


def _onnx_kind(graph: Graph, node: Node) -> str:
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


def _tflite_kind(graph: Graph, node: Node) -> str:
    """By the operator, the shapes of its operands, and the precision that it computes in."""
    if node.op in TFLITE_BINARY:
        return _binary_kind(graph, node) + _precision(graph, node)
    if node.op == "TRANSPOSE":
        return _transpose_kind(permutation(graph, node)) + _precision(graph, node)
    return node.op.lower() + _variant(graph, node) + _precision(graph, node)


def _variant(graph: Graph, node: Node) -> str:
    """What makes an operator another kind of work: groups of a convolution, rows that are reduced."""
    if node.op == "CONV_2D":
        given, weights = (graph.tensors()[number].shape for number in node.inputs[:2])
        return "_grouped" if weights[3] != given[3] else ""
    if node.op in REDUCTIONS and len(node.inputs) > 1:
        shape = graph.tensors()[node.inputs[0]].shape
        axes = tuple(axis for axis in reduced_axes(graph, node) if shape[axis] > 1)
        return "_last" if axes == (len(shape) - 1,) else ""
    return ""


def reduced_axes(graph: Graph, node: Node) -> tuple[int, ...]:
    """The axes over which a reduction of TFLite goes, counted from 0; empty where they are not known."""
    rank = len(graph.tensors()[node.inputs[0]].shape)
    constant = graph.constant(node.inputs[1]) if len(node.inputs) > 1 else None
    return tuple(sorted(int(axis) % max(rank, 1) for axis in (constant.values if constant else None) or ()))


def permutation(graph: Graph, node: Node) -> tuple[int, ...]:
    """The order of the axes that a transposition gives, empty where it is not known."""
    if graph.dialect == "onnx":
        return tuple(node.get("perm", ()))
    constant = graph.constant(node.inputs[1]) if len(node.inputs) > 1 else None
    values = constant.values if constant is not None else None
    return tuple(int(axis) for axis in values or ())


def _precision(graph: Graph, node: Node) -> str:
    """What a TFLite operator computes in, as a suffix of its kind; nothing for 32-bit floats and for indices.

    `dynamic`: floats that are quantized on the fly, for weights of fewer bits.
    """
    tensors = graph.tensors()
    data = next((number for number in node.inputs if number != ABSENT and graph.constant(number) is None), None)
    if data is None:
        return ""
    given = tensors[data]
    weights = {tensors[n].type for n in node.inputs if n != ABSENT and n != data and graph.constant(n) is not None}
    if given.type == "float32" and node.op not in ("QUANTIZE", "DEQUANTIZE", "GATHER"):
        return f"_dynamic_{min(weights & QUANTIZED)}" if weights & QUANTIZED else ""
    if given.type in QUANTIZED:
        return f"_{given.type}" + ("_int4" if "int4" in weights else "")
    return "_float16" if given.type == "float16" else ""


_KINDS = {"onnx": _onnx_kind, "tflite": _tflite_kind}
