"""Units: the nodes of a graph in groups that are one operator to a person, however an exporter wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from latkit.graphs.graph import ABSENT, Graph, Node
from latkit.graphs.kinds import node_kind
from latkit.graphs.links import Links
from latkit.graphs.operators import BINARY, UNARY, VIEWS

LIGHT_MORE = frozenset({"pad", "batchnormalization", "transpose_last", "transpose_rows", "transpose"})


@dataclass(frozen=True, slots=True)
class Unit:
    """Some nodes that are one operator: their kind and their places in the graph."""

    kind: str
    members: tuple[int, ...]

    @property
    def light(self) -> bool:
        """Whether a runtime might do its work within a neighbour's: number by number, padding or moving."""
        return self.kind in GATED.values() or self.kind in LIGHT_MORE or self.kind.split("_")[0] in _POINTWISE


_POINTWISE = {name.lower() for name in UNARY | BINARY}

GATED = {"Erf": "gelu", "Sigmoid": "silu", "HardSigmoid": "hardswish", "Tanh": "gelu_tanh", "Clip": "hardswish"}
"""Activations that multiply a tensor by a function of itself, by the operator that function is made of."""


def units_of(graph: Graph) -> tuple[Unit, ...]:
    """The graph's units, each node in exactly one, in the order of their last nodes."""
    links = Links(graph)
    taken: set[int] = set()
    found: list[Unit] = []
    for pattern in (_gated, _layer_norm, _linear):
        for unit in pattern(links):
            if taken.isdisjoint(unit.members):
                found.append(unit)
                taken.update(unit.members)
    rest = (index for index in range(len(graph.nodes)) if index not in taken)
    found += [Unit(_plain_kind(graph, index), (index,)) for index in rest]
    return tuple(sorted(found, key=lambda unit: unit.members[-1]))


def _plain_kind(graph: Graph, index: int) -> str:
    node = graph.nodes[index]
    return "view" if node.op in VIEWS else node_kind(graph, node)


def _gated(links: Links) -> Iterator[Unit]:
    """x times a function of x: GELU, SiLU, hard swish, by whatever steps the function is computed."""
    for seed, node in enumerate(links.graph.nodes):
        if node.op not in GATED:
            continue
        chain = _backward(links, seed)
        sources = {number: steps for steps in chain for number in [steps[0]]}
        members, at = [seed], links.sole_taker(seed)
        while at is not None:
            here = links.graph.nodes[at]
            members.append(at)
            if here.op == "Mul" and len(links.variables(here)) == 2:
                gate = _closing(links, here, members, sources)
                if gate is not None:
                    yield Unit(GATED[node.op], tuple(sorted({*gate, *members, *_trailing(links, at)})))
                break
            if not links.is_scalar_step(here):
                break
            at = links.sole_taker(at)


def _backward(links: Links, seed: int) -> list[tuple[int, tuple[int, ...]]]:
    """Values from which the seed is computed by scalar steps, each with the nodes of those steps."""
    found: list[tuple[int, tuple[int, ...]]] = []
    steps: tuple[int, ...] = ()
    at = seed
    while True:
        taken = links.variables(links.graph.nodes[at])
        if not taken:
            return found
        number = taken[0]
        found.append((number, steps))
        giver = links.given_by(number)
        if giver is None or not links.is_scalar_step(links.graph.nodes[giver]) or len(steps) > 4:
            return found
        if links.takers.get(number, []) != [at]:
            return found
        steps, at = (*steps, giver), giver


def _closing(
    links: Links, multiply: Node, members: list[int], sources: Mapping[int, tuple[int, tuple[int, ...]]]
) -> tuple[int, ...] | None:
    """The nodes before the seed, where the other factor of the product is what the seed was computed from."""
    inner = {links.first[index] for index in members}
    (other,) = [n for n in multiply.inputs if n not in inner] or [ABSENT]
    if other in sources:
        return sources[other][1]
    giver = links.given_by(other)
    if giver is None or not links.is_scalar_step(links.graph.nodes[giver]) or links.sole_taker(giver) is None:
        return None
    before = links.variables(links.graph.nodes[giver])[:1]
    return (*sources[before[0]][1], giver) if before and before[0] in sources else None


def _trailing(links: Links, at: int) -> tuple[int, ...]:
    """The product's own factor, such as GELU's one half, where it comes last."""
    after = links.sole_taker(at)
    if after is None:
        return ()
    node = links.graph.nodes[after]
    return (after,) if node.op in ("Mul", "Div") and links.is_scalar_step(node) else ()


def _layer_norm(links: Links) -> Iterator[Unit]:
    """(x - mean) / sqrt(variance + epsilon), and the scale and shift after it."""
    nodes = links.graph.nodes
    for root, node in enumerate(nodes):
        if node.op != "Sqrt":
            continue
        divide = links.sole_taker(root)
        if divide is None or nodes[divide].op != "Div":
            continue
        members = _upstream(links, root, ("Add", "ReduceMean", "Pow", "Mul", "Sub", "ReduceMean"))
        if members is None:
            continue
        members |= {root, divide}
        for op in ("Mul", "Add"):
            after = links.sole_taker(max(members))
            if after is not None and nodes[after].op == op and len(links.variables(nodes[after])) == 1:
                members.add(after)
        yield Unit("layernormalization", tuple(sorted(members)))


def _upstream(links: Links, start: int, ops: tuple[str, ...]) -> set[int] | None:
    """The nodes before `start`, up to and with a mean taken of the same tensor; None where others are found."""
    members: set[int] = set()
    waiting = list(links.variables(links.graph.nodes[start]))
    means = 0
    while waiting:
        giver = links.given_by(waiting.pop())
        if giver is None or giver in members:
            continue
        node = links.graph.nodes[giver]
        if node.op not in ops or len(members) > 6:
            return None
        members.add(giver)
        means += node.op == "ReduceMean"
        if node.op == "Sub":
            mean = links.given_by(node.inputs[1])
            if mean is None or links.graph.nodes[mean].op != "ReduceMean":
                return None
            members.add(mean)
            means += 1
            continue
        waiting += links.variables(node)
    return members if means == 2 else None


def _linear(links: Links) -> Iterator[Unit]:
    """A product with a matrix of weights, and the bias added to it."""
    for index, node in enumerate(links.graph.nodes):
        if node.op != "MatMul" or links.graph.constant(node.inputs[1]) is None:
            continue
        after = links.sole_taker(index)
        if after is None or links.graph.nodes[after].op != "Add":
            continue
        constants = [c for n in links.graph.nodes[after].inputs if (c := links.graph.constant(n)) is not None]
        columns = node.outputs[0].shape[-1:]
        if constants and columns and constants[0].tensor.elements == columns[0]:
            yield Unit("linear", (index, after))
