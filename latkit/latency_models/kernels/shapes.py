"""The shape of a kernel's heaviest unit as features: sizes, and what remains of them in a runtime's tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from latkit.graphs import Graph, Node
from latkit.graphs.dialects import units_of
from latkit.graphs.graph import ABSENT, Tensor
from latkit.graphs.node_types import permutation, reduced_axes
from latkit.graphs.tflite.nodes import REDUCTIONS

SHAPES = 16
"""Number of features that describe the shape of a kernel's heaviest unit."""


def shape_features(graph: Graph, anchor: str) -> list[float]:
    """Features of the node of that kind that does the work, padded with zeros to `SHAPES` numbers."""
    node = main_node(graph, anchor)
    describe = _DESCRIBED.get(node.op, _plain)
    numbers = [float(number) for number in describe(graph, node, graph.tensors())][:SHAPES]
    return numbers + [0.0] * (SHAPES - len(numbers))


def main_node(graph: Graph, anchor: str) -> Node:
    """The node of a kernel's heaviest unit that is described by sizes of its own, else the first one."""
    units = units_of(graph)
    members = next((unit for unit in units if unit.kind == anchor), units[0]).members
    nodes = [graph.nodes[place] for place in members]
    working = [node for node in nodes if node.op not in _QUANTIZERS] or nodes
    return next((node for node in working if node.op in _DESCRIBED), working[0])


_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")


def group_channels(graph: Graph) -> int:
    """Output channels of each group of the first convolution; 0 without one."""
    for node in graph.nodes:
        if node.op == "Conv":
            return int(node.outputs[0].shape[1] // node.get("group", 1))
        if node.op == "CONV_2D":
            given, weights = (graph.tensors()[number].shape for number in node.inputs[:2])
            return node.outputs[0].shape[3] // max(given[3] // max(weights[3], 1), 1)
    return 0


DIRECT_CHANNELS = 4
"""Runtimes compute a convolution directly from its image where its channels are a multiple of these, not in groups."""


def unfolded(graph: Graph) -> tuple[int, int]:
    """Rows and elements of the matrices into which convolutions unfold their images: a row per pixel and group.

    Only of convolutions in groups of several channels, and of images of few channels, such as of three colors. Rows of
    groups are short, so that their number matters more than that of their MACs. (0, 0) for other graphs.
    """
    rows = elements = 0
    for node in graph.nodes:
        if node.op in _UNFOLDED:
            place = _UNFOLDED[node.op]
            given, weights = (graph.tensors()[number].shape for number in node.inputs[:2])
            each = weights[place]
            groups = given[place] // max(each, 1)
            if each > 1 and (groups > 1 or each % DIRECT_CHANNELS):
                made = groups * math.prod(node.outputs[0].shape) // max(node.outputs[0].shape[place], 1)
                rows, elements = rows + made, elements + made * math.prod(weights[1:])
    return rows, elements


_UNFOLDED = {"Conv": 1, "CONV_2D": 3}
"""Convolutions, each with the axis of its channels, in images as in weights."""


def window_elements(node: Node) -> int:
    """Elements that a pool reads, each as often as it is read; 0 for other nodes."""
    if node.op in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        return node.outputs[0].elements * int(node.get("filterWidth", 1)) * int(node.get("filterHeight", 1))
    return 0


def _convolution(_graph: Graph, node: Node, tensors: Sequence[Tensor]) -> list[float]:
    input_shape, output = tensors[node.inputs[0]].shape, node.outputs[0].shape
    kernel, stride = node.get("kernel_shape", (1, 1)), node.get("strides", (1, 1))
    groups = node.get("group", 1)
    pads = node.get("pads", (0,))
    remainders = [input_shape[1] % 16, output[1] % 16, input_shape[1] // groups % 16, output[1] % 8]
    sizes = [
        input_shape[1],
        output[1],
        input_shape[-1],
        output[-1],
        kernel[0],
        stride[0],
        groups,
        input_shape[1] // groups,
        pads[0],
    ]
    return [*sizes, *remainders, output[-1] % 6, node.get("dilations", (1,))[0]]


def _product(_graph: Graph, node: Node, tensors: Sequence[Tensor]) -> list[float]:
    """Batch, rows, inner size and columns of a matrix product, and its tile remainders."""
    left, right, output = tensors[node.inputs[0]].shape, tensors[node.inputs[1]].shape, node.outputs[0].shape
    inner = left[-1]
    columns = output[-1] if output and len(right) > 1 else 1  # a product with a vector has no columns
    rows = math.prod(output) // max(columns, 1) if len(right) <= 2 or len(output) < 2 else output[-2]
    batch = math.prod(output) // max(rows * columns, 1)
    return [batch, rows, inner, columns, rows % 12, columns % 16, columns % 64, inner % 16, columns % 128, len(output)]


def _plain(graph: Graph, node: Node, tensors: Sequence[Tensor]) -> list[float]:
    """Of other nodes: input and output sizes, and memory layout."""
    taken = [number for number in node.inputs if number != ABSENT]
    input_shape = (tensors[taken[0]].shape if taken else ()) or (1,)
    output, inputs = node.outputs[0].shape or (1,), len(taken)
    axis = int((reduced_axes(graph, node) or (-1,))[0]) if node.op in REDUCTIONS else int(node.get("axis", -1))
    kernel = node.get("kernel_shape") or (node.get("filterWidth", 0),)
    stride = node.get("strides") or (node.get("strideW", 0),)
    return [
        input_shape[-1],
        input_shape[-2] if len(input_shape) > 1 else 1,
        math.prod(input_shape[:-1]),
        output[-1],
        math.prod(output[:-1]),
        len(input_shape),
        inputs,
        kernel[0],
        stride[0],
        math.prod(input_shape[axis:]),
        math.prod(input_shape) / max(math.prod(output), 1),
        _unmoved(permutation(graph, node)) if node.op in _TRANSPOSITIONS else -1,
        _run_length(graph, node, input_shape),
        tensors[node.inputs[-1]].elements if node.inputs else 0,
        float(str(node.get("mode", "")) == "linear"),
        _permutation_code(permutation(graph, node)) if node.op in _TRANSPOSITIONS else 0.0,
    ]


def _unmoved(perm: tuple[int, ...]) -> int:
    """Number of trailing axes that a transposition leaves in place."""
    count = 0
    while count < len(perm) and perm[-1 - count] == len(perm) - 1 - count:
        count += 1
    return count


def _run_length(graph: Graph, node: Node, input_shape: tuple[int, ...]) -> int:
    """Number of contiguous elements that a transposition copies at once."""
    if node.op not in _TRANSPOSITIONS:
        return 0
    unmoved = _unmoved(permutation(graph, node))
    return math.prod(input_shape[len(input_shape) - unmoved :]) if unmoved else 1


def _permutation_code(perm: tuple[int, ...]) -> float:
    """The order of a transposition's axes as one number."""
    number = 0
    for axis in perm:
        number = 8 * number + int(axis)
    return float(number)


def _tflite_convolution(_graph: Graph, node: Node, tensors: Sequence[Tensor]) -> list[float]:
    """A convolution of images with channels last; XNNPACK multiplies pixels by channels in tiles."""
    given, output = tensors[node.inputs[0]].shape, node.outputs[0].shape
    weights = tensors[node.inputs[1]].shape
    pixels = math.prod(output[:3])
    sizes = [given[3], output[3], given[2], output[2], weights[1], weights[2], weights[3]]
    settings = [node.get("strideW", 1), node.get("dilationWFactor", 1), node.get("padding", 0), pixels]
    return [*sizes, *settings, output[3] % 8, output[3] % 16, output[3] % 32, given[3] % 16, pixels % 7]


def _tflite_product(_graph: Graph, node: Node, tensors: Sequence[Tensor]) -> list[float]:
    """Rows, inner size and columns of a product with weights or another tensor, and its tile remainders."""
    left, right, output = tensors[node.inputs[0]].shape, tensors[node.inputs[1]].shape, node.outputs[0].shape
    columns = output[-1] if output else 1
    inner = left[-2] if node.get("adjX") and len(left) > 1 else left[-1]
    batch = math.prod(output[:-2]) if node.op == "BATCH_MATMUL" else 1
    rows = math.prod(output) // max(columns * batch, 1)
    settings = [int(node.get("adjX", 0)), int(node.get("adjY", 0)), len(right)]
    remainders = [rows % 5, rows % 7, columns % 8, columns % 16, columns % 32, columns % 64, inner % 16]
    return [batch, rows, inner, columns, *remainders, *settings]


def _tflite_transposed(_graph: Graph, node: Node, tensors: Sequence[Tensor]) -> list[float]:
    """A transposed convolution, whose image is its third input."""
    weights, given, output = tensors[node.inputs[1]].shape, tensors[node.inputs[2]].shape, node.outputs[0].shape
    sizes = [given[3], output[3], given[2], output[2], weights[1], weights[2], node.get("strideW", 1)]
    return [*sizes, output[3] % 8, output[3] % 16, output[3] % 32, given[3] % 16]


_TRANSPOSITIONS = frozenset({"Transpose", "TRANSPOSE"})

_DESCRIBED: dict[str, Callable[[Graph, Node, Sequence[Tensor]], list[float]]] = {
    "Conv": _convolution,
    "MatMul": _product,
    "Gemm": _product,
    "CONV_2D": _tflite_convolution,
    "DEPTHWISE_CONV_2D": _tflite_convolution,
    "TRANSPOSE_CONV": _tflite_transposed,
    "FULLY_CONNECTED": _tflite_product,
    "BATCH_MATMUL": _tflite_product,
}
"""Nodes described by sizes of their own; others by the sizes of their input and output."""
