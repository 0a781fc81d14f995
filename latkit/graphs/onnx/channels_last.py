"""Quantized kernels of images with the channels last, as onnxruntime computes them inside a network.

onnxruntime computes quantized convolutions and pools with the channels last. It transposes an image before the first
and after the last of them, and moves these transpositions past padding, resizing and elementwise operators. A kernel
measured alone would pay for two of them that its network does not have.

An average pool is computed with the channels last only where its image comes from such a kernel. Elsewhere it takes
longer, and is measured with the channels first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from latkit.graphs.def_use import DefUse
from latkit.graphs.graph import Constant, Graph, Node, Tensor
from latkit.graphs.onnx.operators import BINARY, UNARY

TO_FIRST, TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
"""Orders of axes: channels last to channels first, and back."""

POOLS = frozenset({"MaxPool", "AveragePool", "GlobalAveragePool"})
FOLLOWING = frozenset({"AveragePool", "GlobalAveragePool"})
"""Pools that onnxruntime computes in the layout in which their image comes."""
CONVERTED = frozenset({"Conv", "MaxPool"})
"""Operators that onnxruntime converts to channels last, if they are quantized."""
QUANTIZED = POOLS | {"Conv", "Pad", "Resize"}
"""Operators that onnxruntime computes with the channels last, if they are quantized."""

_PASSED = UNARY | BINARY | {"QuantizeLinear", "DequantizeLinear", "Concat"}
"""Operators that transpositions move past."""


def with_channels_last(graph: Graph) -> Graph:
    """The graph with the channels last in every input and output that is an image of a quantized kernel.

    Transpositions at its ends convert them: a runtime that computes with the channels last removes them. It does so
    with those of a pool only where there is a convolution: a pool alone gets the smallest one beside it. Other graphs
    are returned as they are.
    """
    images = _images(graph)
    if images and not any(node.op == "Conv" for node in graph.nodes) and any(n.op in POOLS for n in graph.nodes):
        graph = _with_convolution(graph)
        images = _images(graph)
    inputs = [number for number in range(len(graph.inputs)) if number in images]
    outputs = [number for number in graph.outputs if number in images and number >= len(graph.inputs)]
    if not inputs and not outputs:
        return graph
    tensors, constants = graph.tensors(), len(graph.inputs) + len(graph.constants)
    renamed = {number: constants + place for place, number in enumerate(inputs)}
    renamed |= {number: number + len(inputs) for number in range(constants, len(tensors))}
    first = [_transposed(number, tensors[number], TO_FIRST) for number in inputs]
    nodes = [replace(node, inputs=tuple(renamed.get(n, n) for n in node.inputs)) for node in graph.nodes]
    last = [_transposed(renamed[n], _permuted(tensors[n], TO_LAST), TO_LAST) for n in outputs]
    end = len(tensors) + len(inputs)
    ends = {number: end + place for place, number in enumerate(outputs)}
    return replace(
        graph,
        inputs=tuple(_permuted(t, TO_LAST) if n in inputs else t for n, t in enumerate(graph.inputs)),
        nodes=(*first, *nodes, *last),
        outputs=tuple(ends.get(number, renamed.get(number, number)) for number in graph.outputs),
        node_names=(),
        channels_last=False,
    )


def without_channels_last(graph: Graph) -> Graph:
    """The graph that `with_channels_last` converted; others are returned as they are."""
    def_use, constants = DefUse(graph), len(graph.inputs) + len(graph.constants)
    first: dict[int, int] = {}
    for place, node in enumerate(graph.nodes):
        if not _is_transposition(node, TO_FIRST) or node.inputs[0] >= len(graph.inputs) or place != len(first):
            break
        first[node.inputs[0]] = def_use.first[place]
    last: dict[int, int] = {}
    for place in range(len(graph.nodes) - 1, len(first) - 1, -1):
        number = def_use.first[place]
        if not _is_transposition(graph.nodes[place], TO_LAST) or def_use.consumers.get(number) != [len(graph.nodes)]:
            break
        last[number] = graph.nodes[place].inputs[0]
    if not first and not last:
        return graph
    renamed = {inner: given for given, inner in first.items()}
    renamed |= {number: number - len(first) for number in range(constants + len(first), len(def_use.tensors))}
    nodes = graph.nodes[len(first) : len(graph.nodes) - len(last)]
    outputs = (last.get(number, number) for number in graph.outputs)
    bare = replace(
        graph,
        inputs=tuple(_permuted(t, TO_FIRST) if n in first else t for n, t in enumerate(graph.inputs)),
        nodes=tuple(replace(node, inputs=tuple(renamed.get(n, n) for n in node.inputs)) for node in nodes),
        outputs=tuple(renamed.get(number, number) for number in outputs),
        node_names=(),
    )
    candidates = [
        replace(one, channels_last=channels_last)
        for one in (_without_convolution(bare), bare)
        if one is not None
        for channels_last in (False, True)
    ]
    return next((one for one in candidates if with_channels_last(one) == graph), graph)


def part_in_layout(def_use: DefUse, members: Iterable[int], name: str = "") -> Graph:
    """Some nodes of a network as a graph of their own, which knows whether its pools take the channels last there."""
    indices = sorted(set(members))
    part = def_use.part(indices, name)
    inside = [comes_last(def_use, index) for index in indices if def_use.graph.nodes[index].op in FOLLOWING]
    alone = DefUse(part)
    separate = [comes_last(alone, index) for index, node in enumerate(part.nodes) if node.op in FOLLOWING]
    return part if inside == separate else replace(part, channels_last=True)


def comes_last(def_use: DefUse, index: int) -> bool:
    """Whether a node's image comes with the channels last: from nodes that the runtime converts, or through others."""
    graph, waiting, known = def_use.graph, [def_use.graph.nodes[index].inputs[0]], set[int]()
    while waiting:
        number = waiting.pop()
        producer = def_use.producer_of(number)
        if number in known or (producer is None and graph.channels_last):
            continue
        known.add(number)
        node = graph.nodes[producer] if producer is not None else None
        if node is None or not (_gives_last(def_use, node) or node.op in _PASSED | QUANTIZED):
            return False
        if not _gives_last(def_use, node):
            waiting += def_use.variables(node) if node.op in _PASSED else node.inputs[:1]
    return True


def _gives_last(def_use: DefUse, node: Node) -> bool:
    """Whether the runtime has a node's output with the channels last, whatever the node's input."""
    if node.op in CONVERTED:
        producer = def_use.producer_of(node.inputs[0])
        return producer is not None and def_use.graph.nodes[producer].op == "DequantizeLinear"
    return _is_transposition(node, TO_FIRST)


_PIXEL = Tensor((1, 1, 1, 1))
_BYTE = replace(_PIXEL, type="uint8")
_CONSTANTS = (
    Constant(Tensor(()), (0.02,)),
    Constant(Tensor((), "uint8"), (128,)),
    Constant(Tensor((1, 1, 1, 1), "int8")),
    Constant(Tensor((1,)), (0.02,)),
    Constant(Tensor((1,), "int8"), (0,)),
)
_NODES = 4
"""Of `_with_convolution`."""


def _with_convolution(graph: Graph) -> Graph:
    """The graph, and beside it a quantized convolution of one pixel: an input, constants and an output of its own."""
    start, end = len(graph.inputs), len(graph.inputs) + len(graph.constants)
    nodes = _renumbered(graph.nodes, start, 1, end, 1 + len(_CONSTANTS))
    first = sum(len(node.outputs) for node in nodes) + end + 1 + len(_CONSTANTS)
    scale, zero, weights, scales, zeros = range(end + 1, end + 1 + len(_CONSTANTS))
    beside = (
        Node("DequantizeLinear", (start, scale, zero), (_PIXEL,)),
        Node("DequantizeLinear", (weights, scales, zeros), (_PIXEL,), (("axis", 0),)),
        Node("Conv", (first, first + 1), (_PIXEL,), (("kernel_shape", (1, 1)),)),
        Node("QuantizeLinear", (first + 2, scale, zero), (_BYTE,)),
    )
    return replace(
        graph,
        inputs=(*graph.inputs, _BYTE),
        constants=(*graph.constants, *_CONSTANTS),
        nodes=(*nodes, *beside),
        outputs=(*(_shifted(n, start, 1, end, 1 + len(_CONSTANTS)) for n in graph.outputs), first + 3),
        node_names=(),
    )


def _without_convolution(graph: Graph) -> Graph | None:
    """The graph that `_with_convolution` may have made this one from; None where it has no such end."""
    start, end = len(graph.inputs) - 1, len(graph.inputs) + len(graph.constants)
    if len(graph.nodes) <= _NODES or graph.constants[-len(_CONSTANTS) :] != _CONSTANTS or start < 1:
        return None
    shift = start, -1, end, -1 - len(_CONSTANTS)
    return replace(
        graph,
        inputs=graph.inputs[:-1],
        constants=graph.constants[: -len(_CONSTANTS)],
        nodes=_renumbered(graph.nodes[:-_NODES], *shift),
        outputs=tuple(_shifted(number, *shift) for number in graph.outputs[:-1]),
        node_names=(),
    )


def _renumbered(nodes: Sequence[Node], start: int, by: int, end: int, more: int) -> tuple[Node, ...]:
    return tuple(replace(node, inputs=tuple(_shifted(n, start, by, end, more) for n in node.inputs)) for node in nodes)


def _shifted(number: int, start: int, by: int, end: int, more: int) -> int:
    """The number of a value after others are added or removed: `by` before the constants, `more` before the nodes."""
    return number + more if number >= end else number + by if number >= start else number


def _images(graph: Graph) -> set[int]:
    """Values that quantized convolutions, and paddings, take or give, and what elementwise operators pass on."""
    if not any(node.op == "DequantizeLinear" for node in graph.nodes):
        return set()
    def_use = DefUse(graph)
    found: set[int] = set()
    for index, node in enumerate(graph.nodes):
        producer = def_use.producer_of(node.inputs[0]) if node.op in QUANTIZED else None
        if node.op in FOLLOWING and not comes_last(def_use, index):
            continue
        if producer is not None and graph.nodes[producer].op == "DequantizeLinear":
            found |= {node.inputs[0], def_use.first[index]}
    passing = [index for index, node in enumerate(graph.nodes) if node.op in _PASSED]
    known = -1
    while known < len(found):
        known = len(found)
        for index in passing:
            passed = {*def_use.variables(graph.nodes[index]), *def_use.given(index)}
            if passed & found:
                found |= passed
    return {number for number in found if len(def_use.tensors[number].shape) == 4}


def _permuted(tensor: Tensor, axes: Sequence[int]) -> Tensor:
    return replace(tensor, shape=tuple(tensor.shape[axis] for axis in axes))


def _transposed(number: int, output: Tensor, axes: tuple[int, ...]) -> Node:
    return Node("Transpose", (number,), (output,), (("perm", axes),))


def _is_transposition(node: Node, axes: tuple[int, ...]) -> bool:
    return node.op == "Transpose" and node.get("perm") == axes
