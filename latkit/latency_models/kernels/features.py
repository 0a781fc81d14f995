"""Features of a kernel for latency prediction."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from latkit._io.arrays import Floats
from latkit.graphs import Graph, Kernel, Partition, Rule, partition_graph
from latkit.graphs.dialects import measured_form, network_form, units_of
from latkit.latency_models.kernels.shapes import group_channels, shape_features, unfolded, window_elements
from latkit.latency_models.trees.roofline import TILE, up

MAX_TIMED = 2
"""Maximum number of kernels that are measured together: a pair of neighbors."""


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """A kernel cut from its network, with its properties that need no measurement."""

    key: str
    """Key of its graph."""
    graph: Graph
    """The form that it has in a network, without transpositions that the runtime removes there."""
    timed: Graph
    """What is measured: the graph in the form that its dialect has for it (`measured_form`)."""
    kind: str
    anchor: str
    macs: int
    input_elements: int
    output_elements: int
    weights: int
    window_elements: int
    """Elements that the windows of its pools read, each as often as it is read."""
    light: tuple[tuple[str, int], ...]
    """Kinds of its light units beside the anchor, each with the number of elements it outputs."""

    @property
    def bytes(self) -> int:
        """Bytes read and written: inputs, weights and outputs."""
        graph, tensors = self.graph, self.graph.tensors()
        weights = [constant.tensor for constant in graph.constants if constant.values is None]
        return sum(tensor.bytes for tensor in (*graph.inputs, *weights, *(tensors[n] for n in graph.outputs)))

    @property
    def light_kinds(self) -> frozenset[str]:
        """The kinds of its light units."""
        return frozenset(kind for kind, _ in self.light)


def kernel_specs(parts: Partition) -> list[KernelSpec]:
    """The kernels of a graph, each as a graph of its own; equal kernels share one object."""
    known: dict[str, KernelSpec] = {}
    found = []
    for place, kernel in enumerate(parts.kernels):
        part = parts.kernel_graph(place)
        key = part.key
        if key not in known:
            known[key] = _kernel_spec(key, part, kernel)
        found.append(known[key])
    return found


def _kernel_spec(key: str, part: Graph, kernel: Kernel) -> KernelSpec:
    timed = measured_form(part)
    if timed is not part:
        part = network_form(timed)
        key = part.key
    units = units_of(part)
    anchor = next((place for place, unit in enumerate(units) if unit.kind == kernel.anchor), 0)
    tensors = part.tensors()
    return KernelSpec(
        key,
        part,
        timed,
        kernel.kind,
        kernel.anchor,
        part.macs,
        sum(tensor.elements for tensor in part.inputs),
        sum(tensors[number].elements for number in part.outputs),
        part.parameters,
        sum(window_elements(node) for node in part.nodes),
        tuple(
            (unit.kind, part.nodes[unit.members[-1]].outputs[0].elements)
            for place, unit in enumerate(units)
            if place != anchor
        ),
    )


def timed_parts(graph: Graph, rules: Collection[Rule]) -> Partition | None:
    """A measured graph as its model sees it: a kernel, or two neighbors, in the form that they have in a network.

    None for one that was not measured in the form that its dialect has for it.
    """
    parts = partition_graph(graph, rules)
    inside = network_form(graph)
    if inside is not graph:
        inner = partition_graph(inside, rules)
        return inner if len(inner.kernels) <= MAX_TIMED else parts
    is_part = len(parts.kernels) <= MAX_TIMED
    return None if is_part and measured_form(graph) is not graph else parts


def roofline(spec: KernelSpec) -> Floats:
    """Terms of the physical baseline, shape (9,): a latency is a non-negative sum of them."""
    light = sum(elements for _, elements in spec.light)
    terms = [
        1,
        spec.macs + spec.window_elements,
        spec.input_elements,
        spec.output_elements,
        spec.weights,
        light,
        _wasted(spec),
        *unfolded(spec.graph),
    ]
    return np.array(terms, dtype=np.float64)


def _wasted(spec: KernelSpec) -> float:
    """MACs wasted because the channels of convolution groups do not fill tiles; none where each group is one
    channel."""
    each = group_channels(spec.graph)
    return spec.macs * (up(each, TILE) - each) / each if each > 1 else 0.0


def features(spec: KernelSpec, light_kinds: Sequence[str]) -> Floats:
    """Features for regression among kernels of one anchor, shape (9 + SHAPES + len(light_kinds),)."""
    terms = roofline(spec)[1:]
    intensity = spec.macs / max(spec.bytes, 1)
    light = dict(spec.light)
    return np.array(
        [
            *np.log1p(terms),
            math.log1p(intensity),
            *shape_features(spec.graph, spec.anchor),
            *(math.log1p(light.get(kind, 0)) for kind in light_kinds),
        ]
    )
