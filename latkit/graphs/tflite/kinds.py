"""Node types of TFLite, each a unit of its own but SiLU in 8 bits: its converters fuse all other activations."""

from __future__ import annotations

import math
from collections.abc import Mapping

from latkit.graphs.def_use import DefUse
from latkit.graphs.graph import Graph, Node
from latkit.graphs.node import ABSENT, QUANTIZED
from latkit.graphs.node_types import binary_kind, permutation, reduced_axes, transpose_kind
from latkit.graphs.tflite.nodes import BINARY, REDUCTIONS, SCALES, VIEWS
from latkit.graphs.unit import Unit

LIGHT = frozenset({"relu", "relu6", "relu_n1_to_1", "relu_0_to_1", "pad", "padv2"})
"""Kinds that XNNPACK may fuse with a neighbor: clamps and padding alone."""

MAX_TAPS = 25
"""Weights per channel of the largest kernel that XNNPACK has for depthwise convolutions in one pass, whatever the
processor (`src/configs/dwconv-config.c`). Larger ones are computed as convolutions in groups of one channel, many times
as slow per weight."""


def units(graph: Graph) -> tuple[Unit, ...]:
    """Each node as a unit, and a tensor in 8 bits times its sigmoid as one."""
    gates = _quantized_silu(graph)
    found = []
    for index, node in enumerate(graph.nodes):
        if index in gates:
            found.append(Unit("silu" + _precision(graph, node), (gates[index], index), light=False))
        elif index not in gates.values():
            kind = "view" if node.op in VIEWS else node_kind(graph, node)
            found.append(Unit(kind, (index,), _plain(kind) in LIGHT))
    return tuple(found)


def _quantized_silu(graph: Graph) -> Mapping[int, int]:
    """The products of a tensor in 8 bits with its own sigmoid, each with the sigmoid's node.

    XNNPACK computes both by one look-up for every element; products of floats it computes in two steps.
    """
    if not any(node.op == "LOGISTIC" and node.outputs[0].type == "int8" for node in graph.nodes):
        return {}
    def_use, found = DefUse(graph), {}
    for index, node in enumerate(graph.nodes):
        is_product = node.op == "MUL" and not node.get(SCALES)
        for given, other in (node.inputs, node.inputs[::-1]) if is_product else ():
            gate = def_use.producer_of(other)
            if gate is None or graph.nodes[gate].op != "LOGISTIC" or def_use.sole_consumer(gate) != index:
                continue
            if graph.nodes[gate].inputs[0] == given and graph.nodes[gate].outputs[0].type == "int8":
                found[index] = gate
    return found


def _plain(kind: str) -> str:
    """The kind without the precision of quantized tensors."""
    return kind.split("_int")[0].split("_uint")[0]


def node_kind(graph: Graph, node: Node) -> str:
    """By the operator, the shapes of its operands, and the precision that it computes in."""
    if node.op in BINARY:
        return binary_kind(graph, node) + _precision(graph, node)
    if node.op == "TRANSPOSE":
        return transpose_kind(permutation(graph, node)) + _precision(graph, node)
    return node.op.lower() + _variant(graph, node) + _precision(graph, node)


def _variant(graph: Graph, node: Node) -> str:
    """What makes an operator another kind of work: groups and taps of a convolution, rows that are reduced."""
    if node.op == "CONV_2D":
        given, weights = (graph.tensors()[number].shape for number in node.inputs[:2])
        return "_grouped" if weights[3] != given[3] else ""
    if node.op == "DEPTHWISE_CONV_2D":
        return "_wide" if math.prod(graph.tensors()[node.inputs[1]].shape[1:3]) > MAX_TAPS else ""
    if node.op in REDUCTIONS and len(node.inputs) > 1:
        shape = graph.tensors()[node.inputs[0]].shape
        axes = tuple(axis for axis in reduced_axes(graph, node) if shape[axis] > 1)
        return "_last" if axes == (len(shape) - 1,) else ""
    return ""


def _precision(graph: Graph, node: Node) -> str:
    """What a TFLite operator computes in, as a suffix of its kind; nothing for 32-bit floats and for indices.

    `dynamic`: floats that are quantized on the fly, for weights of fewer bits. `builtin`: in TFLite's own kernels, for
    scales that XNNPACK rejects.
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
        return f"_{given.type}" + ("_int4" if "int4" in weights else "") + ("_builtin" if node.get(SCALES) else "")
    return "_float16" if given.type == "float16" else ""
