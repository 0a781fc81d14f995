"""A made-up machine whose latencies follow a law, against which learned models are checked.

Its numbers are round on purpose, so that they cannot be mistaken for a device's.
"""

from latkit.graphs import Graph, GraphBuilder, node_macs, partition_graph
from latkit.ops import OVERHEAD_PROBE
from latkit.timing import Measurement, Workload
from tests.builders import make_measurement

FIXED_NS = 1000
CONVERTED = 1.0
"""Nanoseconds per number that a convolution reads or writes in another layout, unless its neighbor shares it."""

TRUTH = {("conv", "relu"), ("conv", "add"), ("conv+add", "relu")}
"""What this machine computes at once: the second costs nothing."""


def nanoseconds(graph: Graph) -> int:
    """A microsecond per kernel, a tenth of a nanosecond per MAC, one per number given, and what layouts cost."""
    parts = partition_graph(graph, TRUTH)
    tensors = graph.tensors()
    total = 0.0
    for kernel in parts.kernels:
        last = graph.nodes[kernel.members[-1]].outputs[0].elements
        total += 1000 + sum(node_macs(graph.nodes[n], tensors) for n in kernel.members) / 10 + last
        if kernel.anchor == "conv":
            total += CONVERTED * (last + tensors[graph.nodes[kernel.members[0]].inputs[0]].elements)
    for edge in parts.edges:
        if {parts.kernels[edge.producer].anchor, parts.kernels[edge.consumer].anchor} == {"conv"}:
            total -= 2 * CONVERTED * edge.elements / (1 if edge.consumers == 1 else 2)
    return FIXED_NS + round(total)


def measured(workload: Workload) -> Measurement:
    """This machine's measurement of a workload."""
    return make_measurement(workload, nanoseconds(workload) if isinstance(workload, Graph) else FIXED_NS)


def chain(channels: int, size: int, *more: str) -> Graph:
    """Convolution, and light work after it; `conv` for another convolution."""
    b = GraphBuilder()
    x = b.conv(b.input(1, channels, size, size), channels, 3)
    for word in more:
        x = b.conv(x, channels) if word == "conv" else b.activation(word, x)
    return b.graph([x], "chain")


__all__ = ["FIXED_NS", "OVERHEAD_PROBE", "TRUTH", "chain", "measured", "nanoseconds"]
