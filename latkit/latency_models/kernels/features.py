"""Features of a kernel for latency prediction."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from latkit._io.arrays import Floats
from latkit.graphs import Graph, Kernel, Partition, Rule, partition_graph
from latkit.graphs.dialects import units_of
from latkit.graphs.onnx.channels_last import with_channels_last, without_channels_last
from latkit.latency_models.kernels.shapes import group_channels, shape_features, window_elements
from latkit.latency_models.roofline import TILE, up

MAX_TIMED = 2
"""Maximum number of kernels that are measured together: a pair of neighbors."""


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """A kernel cut from its network, with its properties that need no measurement."""

    key: str
    """Key of its graph, without the transpositions around what it is measured with."""
    graph: Graph
    timed: Graph
    """What is measured: the graph, with the channels last where its runtime has them so (`with_channels_last`)."""
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
    units, timed = units_of(part), with_channels_last(part)
    anchor = next((place for place, unit in enumerate(units) if unit.kind == kernel.anchor), 0)
    tensors = part.tensors()
    return KernelSpec(
        key if timed is part else without_channels_last(timed).key,
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
    """A measured graph as its model sees it: without the transpositions around a kernel, or two neighbors.

    None for one that was measured without those that its runtime would remove.
    """
    parts = partition_graph(graph, rules)
    bare = without_channels_last(graph)
    if bare is not graph:
        inner = partition_graph(bare, rules)
        return inner if len(inner.kernels) <= MAX_TIMED else parts
    is_part = len(parts.kernels) <= MAX_TIMED
    return None if is_part and with_channels_last(graph) is not graph else parts


def roofline(spec: KernelSpec) -> Floats:
    """Terms of the physical baseline, shape (7,): a latency is a non-negative sum of them."""
    light = sum(elements for _, elements in spec.light)
    terms = [
        1,
        spec.macs + spec.window_elements,
        spec.input_elements,
        spec.output_elements,
        spec.weights,
        light,
        _wasted(spec),
    ]
    return np.array(terms, dtype=np.float64)


def _wasted(spec: KernelSpec) -> float:
    """MACs wasted because the channels of convolution groups do not fill tiles; none where each group is one
    channel."""
    each = group_channels(spec.graph)
    return spec.macs * (up(each, TILE) - each) / each if each > 1 else 0.0


def features(spec: KernelSpec, light_kinds: Sequence[str]) -> Floats:
    """Features for regression among kernels of one anchor, shape (7 + SHAPES + len(light_kinds),)."""
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
