"""Dialects: everything about a set of operators beside the rules of its nodes, which the record itself checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from latkit.graphs.def_use import DefUse
from latkit.graphs.graph import Graph
from latkit.graphs.onnx import patterns as onnx_patterns
from latkit.graphs.onnx.builder import GraphBuilder
from latkit.graphs.onnx.channels_last import part_in_layout, with_channels_last, without_channels_last
from latkit.graphs.onnx.kinds import with_other_mode
from latkit.graphs.tflite import kinds as tflite_kinds
from latkit.graphs.tflite.builder import TFLiteBuilder
from latkit.graphs.tflite.scales import with_other_scales
from latkit.graphs.unit import Unit


@dataclass(frozen=True, slots=True)
class Dialect:
    """How graphs of a set of operators are read and built."""

    units: Callable[[Graph], tuple[Unit, ...]]
    """The units of a graph, each node in exactly one, in the order of their last nodes."""
    builder: Callable[[], GraphBuilder]
    """Makes a builder of a new graph."""
    part: Callable[[DefUse, Iterable[int], str], Graph]
    """Some nodes of a network, with a name, as a graph of their own."""
    measured_form: Callable[[Graph], Graph]
    """A part of a network as it is measured alone, so that the runtime computes it as in the network."""
    network_form: Callable[[Graph], Graph]
    """The part of a network of which this is the measured form; the graph itself if it is none."""
    variants: Callable[[Graph], Sequence[Graph]]
    """Kernels of the same shapes that the runtime computes in another way, and that few networks have."""


def _same(graph: Graph) -> Graph:
    return graph


DIALECTS: Mapping[str, Dialect] = {
    "onnx": Dialect(
        onnx_patterns.units, GraphBuilder, part_in_layout, with_channels_last, without_channels_last, with_other_mode
    ),
    "tflite": Dialect(tflite_kinds.units, TFLiteBuilder, DefUse.part, _same, _same, with_other_scales),
}
"""By name, as in `NODE_RULES`."""


def units_of(graph: Graph) -> tuple[Unit, ...]:
    """The graph's units, each node in exactly one, in the order of their last nodes."""
    return DIALECTS[graph.dialect].units(graph)


def part_of(def_use: DefUse, members: Iterable[int], name: str = "") -> Graph:
    """Some nodes of a network as a graph of their own, which says as much as its runtime needs of the network."""
    return DIALECTS[def_use.graph.dialect].part(def_use, members, name)


def measured_form(graph: Graph) -> Graph:
    """A part of a network as it is measured alone: the graph itself where nothing is to be changed."""
    return DIALECTS[graph.dialect].measured_form(graph)


def network_form(graph: Graph) -> Graph:
    """The part of a network that was measured in that form: the graph itself where nothing was changed."""
    return DIALECTS[graph.dialect].network_form(graph)


def variants_of(graph: Graph) -> Sequence[Graph]:
    """Kernels of the same shapes that the runtime computes in another way, and that few networks have."""
    return DIALECTS[graph.dialect].variants(graph)
