"""Features of a kernel for latency prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latkit._io.arrays import Floats
from latkit.graphs import Graph, Kernel, Node, Partition
from latkit.graphs.graph import ABSENT, Tensor, node_macs
from latkit.graphs.patterns import units_of
from latkit.latency_models.roofline import TILE, up
from latkit.ops.precision import FP32

SHAPES = 16
"""Number of features that describe the shape of a kernel's heaviest unit."""


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """A kernel cut from its network, with its properties that need no measurement."""

    key: str
    """Key of its graph."""
    graph: Graph
    kind: str
    anchor: str
    macs: int
    input_elements: int
    output_elements: int
    weights: int
    light: tuple[tuple[str, int], ...]
    """Kinds of its light units beside the anchor, each with the number of elements it outputs."""

    @property
    def bytes(self) -> int:
        """Bytes read and written: inputs, weights and outputs."""
        return FP32.bytes(self.input_elements + self.weights + self.output_elements)

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
    units = units_of(part)
    anchor = next((place for place, unit in enumerate(units) if unit.kind == kernel.anchor), 0)
    tensors = part.tensors()
    return KernelSpec(
        key,
        part,
        kernel.kind,
        kernel.anchor,
        sum(node_macs(node, tensors) for node in part.nodes),
        sum(tensor.elements for tensor in part.inputs),
        sum(tensors[number].elements for number in part.outputs),
        part.parameters,
        tuple(
            (unit.kind, part.nodes[unit.members[-1]].outputs[0].elements)
            for place, unit in enumerate(units)
            if place != anchor
        ),
    )


def roofline(spec: KernelSpec) -> Floats:
    """Terms of the physical baseline, shape (7,): a latency is a non-negative sum of them."""
    light = sum(elements for _, elements in spec.light)
    terms = [1, spec.macs, spec.input_elements, spec.output_elements, spec.weights, light, _wasted(spec)]
    return np.array(terms, dtype=np.float64)


def _wasted(spec: KernelSpec) -> float:
    """MACs wasted because the channels of convolution groups do not fill tiles; none where each group is one
    channel."""
    anchor = next((node for node in spec.graph.nodes if node.op == "Conv"), None)
    if anchor is None:
        return 0.0
    output, groups = anchor.outputs[0].shape[1], anchor.get("group", 1)
    each = output // groups
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
            *_shapes(spec),
            *(math.log1p(light.get(kind, 0)) for kind in light_kinds),
        ]
    )


def _shapes(spec: KernelSpec) -> list[float]:
    """Shape of the anchor's first node, padded with zeros to `SHAPES` numbers."""
    graph = spec.graph
    units = units_of(graph)
    unit = next((unit for unit in units if unit.kind == spec.anchor), units[0])
    node, tensors = graph.nodes[unit.members[0]], graph.tensors()
    describe = {"Conv": _convolution, "MatMul": _product, "Gemm": _product}.get(node.op, _plain)
    numbers = [float(number) for number in describe(node, tensors)][:SHAPES]
    return numbers + [0.0] * (SHAPES - len(numbers))


def _convolution(node: Node, tensors: Sequence[Tensor]) -> list[float]:
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


def _product(node: Node, tensors: Sequence[Tensor]) -> list[float]:
    """Batch, rows, inner size and columns of a matrix product, and its tile remainders."""
    left, right, output = tensors[node.inputs[0]].shape, tensors[node.inputs[1]].shape, node.outputs[0].shape
    inner = left[-1]
    columns = output[-1] if output and len(right) > 1 else 1  # a product with a vector has no columns
    rows = math.prod(output) // max(columns, 1) if len(right) <= 2 or len(output) < 2 else output[-2]
    batch = math.prod(output) // max(rows * columns, 1)
    return [batch, rows, inner, columns, rows % 12, columns % 16, columns % 64, inner % 16, columns % 128, len(output)]


def _plain(node: Node, tensors: Sequence[Tensor]) -> list[float]:
    """Of other nodes: input and output sizes, and memory layout."""
    taken = [number for number in node.inputs if number != ABSENT]
    input_shape = (tensors[taken[0]].shape if taken else ()) or (1,)
    output, inputs = node.outputs[0].shape or (1,), len(taken)
    axis = int(node.get("axis", -1))
    kernel, stride = node.get("kernel_shape") or (0,), node.get("strides") or (0,)
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
        _unmoved(tuple(node.get("perm", ()))) if node.op == "Transpose" else -1,
        _run_length(node, input_shape),
        tensors[node.inputs[-1]].elements if node.inputs else 0,
        float(str(node.get("mode", "")) == "linear"),
        _permutation_code(node),
    ]


def _unmoved(perm: tuple[int, ...]) -> int:
    """Number of trailing axes that a transposition leaves in place."""
    count = 0
    while count < len(perm) and perm[-1 - count] == len(perm) - 1 - count:
        count += 1
    return count


def _run_length(node: Node, input_shape: tuple[int, ...]) -> int:
    """Number of contiguous elements that a transposition copies at once."""
    if node.op != "Transpose":
        return 0
    unmoved = _unmoved(tuple(node.get("perm", ())))
    return math.prod(input_shape[len(input_shape) - unmoved :]) if unmoved else 1


def _permutation_code(node: Node) -> float:
    """The order of a transposition's axes as one number."""
    number = 0
    for axis in node.get("perm", ()):
        number = 8 * number + int(axis)
    return float(number)
