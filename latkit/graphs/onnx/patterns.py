"""Patterns of ONNX: groups of nodes that form one logical operator, whatever the exporter."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from latkit.graphs.def_use import DefUse
from latkit.graphs.graph import ABSENT, Graph, Node
from latkit.graphs.onnx.channels_last import FOLLOWING, comes_last
from latkit.graphs.onnx.kinds import node_kind
from latkit.graphs.onnx.operators import BINARY, UNARY, VIEWS
from latkit.graphs.unit import Unit

GATED = {"Erf": "gelu", "Sigmoid": "silu", "HardSigmoid": "hardswish", "Tanh": "gelu_tanh", "Clip": "hardswish"}
"""Activations that multiply a tensor by a function of itself, by the operator of that function."""

_LIGHT = frozenset(
    {"pad", "batchnormalization", "transpose_last", "transpose_rows", "transpose"}
    | {"quantizelinear", "dequantizelinear"}
    | set(GATED.values())
)

_POINTWISE = {name.lower() for name in UNARY | BINARY}


def _unit(kind: str, members: Collection[int]) -> Unit:
    """The nodes as a unit; elementwise work, padding and data movement are light."""
    return Unit(kind, tuple(sorted(members)), kind in _LIGHT or kind.split("_")[0] in _POINTWISE)


def units(graph: Graph) -> tuple[Unit, ...]:
    """The graph's units, each node in exactly one, in the order of their last nodes."""
    def_use = DefUse(graph)
    taken: set[int] = set()
    found: list[Unit] = []
    for pattern in (quantized_units, _gated, _layer_norm, _linear):
        for unit in pattern(def_use):
            if taken.isdisjoint(unit.members):
                found.append(unit)
                taken.update(unit.members)
    rest = (index for index in range(len(graph.nodes)) if index not in taken)
    found += [_unit(_plain_kind(graph, index), (index,)) for index in rest]
    return tuple(sorted(found, key=lambda unit: unit.members[-1]))


def quantized_units(def_use: DefUse) -> Iterator[Unit]:
    """A node in 8 bits with the operators that dequantize its inputs and quantize its output, as in QDQ files.

    A clamp before the quantization belongs to the node too. Without a quantization, or with a bias in a scale of its
    own, the node computes in floats, and the dequantized weights belong to it.
    """
    nodes = def_use.graph.nodes
    for index, node in enumerate(nodes):
        before = [def_use.producer_of(number) for number in def_use.variables(node)]
        producers = {
            producer for producer in before if producer is not None and nodes[producer].op == "DequantizeLinear"
        }
        if not producers or node.op in _QUANTIZERS:
            continue
        graph = def_use.graph
        weights = {one for one in producers if graph.constant(nodes[one].inputs[0]) is not None}
        chain = _to_quantization(def_use, index)
        if chain is not None and len(producers) == len(set(before)) and not _has_float_sum(def_use, weights):
            yield _unit(_quantized_kind(def_use, index, weights), {*producers, index, *chain})
        elif weights:
            yield _unit(f"{_quantized_kind(def_use, index, weights)}_weights", {*weights, index})


def _has_float_sum(def_use: DefUse, dequantized: set[int]) -> bool:
    """Whether a bias among them has a scale of its own, not that of input times weights: readers give it a value."""
    for place in dequantized:
        bias, scale = (def_use.graph.constant(number) for number in def_use.graph.nodes[place].inputs[:2])
        if bias is not None and bias.tensor.type == "int32" and scale is not None and scale.values is not None:
            return True
    return False


_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
_CLAMPS = ("Relu", "Clip")


def _to_quantization(def_use: DefUse, index: int) -> list[int] | None:
    """The nodes after one up to the quantization of its only output; None where it is not quantized."""
    nodes, at, chain = def_use.graph.nodes, def_use.sole_consumer(index), []
    if at is not None and nodes[at].op in _CLAMPS:
        chain.append(at)
        at = def_use.sole_consumer(at)
    return [*chain, at] if at is not None and nodes[at].op == "QuantizeLinear" else None


def _quantized_kind(def_use: DefUse, index: int, weights: set[int]) -> str:
    node = def_use.graph.nodes[index]
    if node.op in VIEWS:
        return "view"
    kind = node_kind(def_use.graph, node)
    if node.op in ("MatMul", "Gemm"):
        kind = "linear" if weights else "matmul"
    elif node.op in BINARY and weights:
        kind = f"{kind.split('_')[0]}_constant"
    elif node.op in FOLLOWING and not comes_last(def_use, index):
        kind = f"{kind}_nchw"
    return f"{kind}_int8"


def _plain_kind(graph: Graph, index: int) -> str:
    node = graph.nodes[index]
    return "view" if node.op in VIEWS else node_kind(graph, node)


def _gated(def_use: DefUse) -> Iterator[Unit]:
    """x times a function of x: GELU, SiLU, hard swish, in any sequence of steps."""
    for seed, node in enumerate(def_use.graph.nodes):
        if node.op not in GATED:
            continue
        chain = _backward(def_use, seed)
        sources = {number: steps for steps in chain for number in [steps[0]]}
        members, at = [seed], def_use.sole_consumer(seed)
        while at is not None:
            here = def_use.graph.nodes[at]
            members.append(at)
            if here.op == "Mul" and len(def_use.variables(here)) == 2:
                gate = _closing(def_use, here, members, sources)
                if gate is not None:
                    yield _unit(GATED[node.op], {*gate, *members, *_trailing(def_use, at)})
                break
            if not def_use.is_scalar_step(here):
                break
            at = def_use.sole_consumer(at)


def _backward(def_use: DefUse, seed: int) -> list[tuple[int, tuple[int, ...]]]:
    """Values from which elementwise steps compute the seed, each with the nodes of those steps."""
    found: list[tuple[int, tuple[int, ...]]] = []
    steps: tuple[int, ...] = ()
    at = seed
    while True:
        taken = def_use.variables(def_use.graph.nodes[at])
        if not taken:
            return found
        number = taken[0]
        found.append((number, steps))
        producer = def_use.producer_of(number)
        if producer is None or not def_use.is_scalar_step(def_use.graph.nodes[producer]) or len(steps) > 4:
            return found
        if def_use.consumers.get(number, []) != [at]:
            return found
        steps, at = (*steps, producer), producer


def _closing(
    def_use: DefUse, multiply: Node, members: list[int], sources: Mapping[int, tuple[int, tuple[int, ...]]]
) -> tuple[int, ...] | None:
    """The nodes before the seed, where the product's other factor is the input of the seed's computation."""
    inner = {def_use.first[index] for index in members}
    (other,) = [n for n in multiply.inputs if n not in inner] or [ABSENT]
    if other in sources:
        return sources[other][1]
    producer = def_use.producer_of(other)
    if (
        producer is None
        or not def_use.is_scalar_step(def_use.graph.nodes[producer])
        or def_use.sole_consumer(producer) is None
    ):
        return None
    before = def_use.variables(def_use.graph.nodes[producer])[:1]
    return (*sources[before[0]][1], producer) if before and before[0] in sources else None


def _trailing(def_use: DefUse, at: int) -> tuple[int, ...]:
    """The product's own factor, such as GELU's 0.5, where it comes last."""
    after = def_use.sole_consumer(at)
    if after is None:
        return ()
    node = def_use.graph.nodes[after]
    return (after,) if node.op in ("Mul", "Div") and def_use.is_scalar_step(node) else ()


def _layer_norm(def_use: DefUse) -> Iterator[Unit]:
    """(x - mean) / sqrt(variance + epsilon), and the scale and shift after it."""
    nodes = def_use.graph.nodes
    for root, node in enumerate(nodes):
        if node.op != "Sqrt":
            continue
        divide = def_use.sole_consumer(root)
        if divide is None or nodes[divide].op != "Div":
            continue
        members = _upstream(def_use, root, ("Add", "ReduceMean", "Pow", "Mul", "Sub", "ReduceMean"))
        if members is None:
            continue
        members |= {root, divide}
        for op in ("Mul", "Add"):
            after = def_use.sole_consumer(max(members))
            if after is not None and nodes[after].op == op and len(def_use.variables(nodes[after])) == 1:
                members.add(after)
        yield _unit("layernormalization", members)


def _upstream(def_use: DefUse, start: int, ops: tuple[str, ...]) -> set[int] | None:
    """The nodes before `start`, up to and including a mean of the same tensor; None where other nodes are found."""
    members: set[int] = set()
    waiting = list(def_use.variables(def_use.graph.nodes[start]))
    means = 0
    while waiting:
        producer = def_use.producer_of(waiting.pop())
        if producer is None or producer in members:
            continue
        node = def_use.graph.nodes[producer]
        if node.op not in ops or len(members) > 6:
            return None
        members.add(producer)
        means += node.op == "ReduceMean"
        if node.op == "Sub":
            mean = def_use.producer_of(node.inputs[1])
            if mean is None or def_use.graph.nodes[mean].op != "ReduceMean":
                return None
            members.add(mean)
            means += 1
            continue
        waiting += def_use.variables(node)
    return members if means == 2 else None


def _linear(def_use: DefUse) -> Iterator[Unit]:
    """A matrix product with weights, and its bias."""
    for index, node in enumerate(def_use.graph.nodes):
        if node.op != "MatMul" or def_use.graph.constant(node.inputs[1]) is None:
            continue
        after = def_use.sole_consumer(index)
        if after is None or def_use.graph.nodes[after].op != "Add":
            continue
        constants = [c for n in def_use.graph.nodes[after].inputs if (c := def_use.graph.constant(n)) is not None]
        columns = node.outputs[0].shape[-1:]
        if constants and columns and constants[0].tensor.elements == columns[0]:
            yield _unit("linear", (index, after))
