"""Dialects: everything about a set of operators beside the rules of its nodes, which the record itself checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from latkit.graphs.graph import Graph
from latkit.graphs.onnx import patterns as onnx_patterns
from latkit.graphs.onnx.builder import GraphBuilder
from latkit.graphs.tflite import kinds as tflite_kinds
from latkit.graphs.tflite.builder import TFLiteBuilder
from latkit.graphs.unit import Unit


@dataclass(frozen=True, slots=True)
class Dialect:
    """How graphs of a set of operators are read and built."""

    units: Callable[[Graph], tuple[Unit, ...]]
    """The units of a graph, each node in exactly one, in the order of their last nodes."""
    builder: Callable[[], GraphBuilder]
    """Makes a builder of a new graph."""


DIALECTS: Mapping[str, Dialect] = {
    "onnx": Dialect(onnx_patterns.units, GraphBuilder),
    "tflite": Dialect(tflite_kinds.units, TFLiteBuilder),
}
"""By name, as in `NODE_RULES`."""


def units_of(graph: Graph) -> tuple[Unit, ...]:
    """The graph's units, each node in exactly one, in the order of their last nodes."""
    return DIALECTS[graph.dialect].units(graph)
