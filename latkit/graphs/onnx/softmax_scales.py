"""Scales of the quantized inputs of softmax in networks with generated weights."""

from __future__ import annotations

from dataclasses import replace

from latkit.graphs.def_use import DefUse
from latkit.graphs.graph import Graph

MAX_SCALE = 0.25
"""onnxruntime looks up exp(scale x difference) of bytes. Beyond .34, some of its 256 values are subnormal numbers, with
which some processors are slow. The logits of trained networks differ by less."""
SOFTMAX = frozenset({"Softmax", "LogSoftmax"})


def with_moderate_softmax(graph: Graph) -> Graph:
    """The graph with no larger scale of a quantized input of softmax. Keys do not change."""
    def_use, constants, first = DefUse(graph), list(graph.constants), len(graph.inputs)
    for node in graph.nodes:
        producer = def_use.producer_of(node.inputs[0]) if node.op in SOFTMAX else None
        if producer is None or graph.nodes[producer].op != "DequantizeLinear":
            continue
        at = graph.nodes[producer].inputs[1] - first
        scale = constants[at].example if 0 <= at < len(constants) else None
        if scale is not None and scale[0] > MAX_SCALE:
            constants[at] = replace(constants[at], example=(MAX_SCALE,))
    return replace(graph, constants=tuple(constants))
