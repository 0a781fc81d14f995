"""Partition of a graph into kernels: the parts that a runtime computes at once, by rules learned on the target."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from latkit.graphs.def_use import DefUse
from latkit.graphs.dialects import part_of, units_of
from latkit.graphs.graph import ABSENT, Graph
from latkit.graphs.unit import Unit

Rule = tuple[str, str]
"""Kind of a kernel, and kind of the unit that its runtime fuses with it. For a light kernel, in reverse."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A part of a graph that is computed at once."""

    kind: str
    """The kinds of its units in order, joined by `+`, such as `conv+add+relu`."""
    anchor: str
    """The kind of its heaviest unit."""
    members: tuple[int, ...]
    """Positions of its nodes in the graph."""
    light: bool
    """Whether it contains only light work."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A tensor that one kernel passes to another."""

    producer: int
    consumer: int
    """Positions of the kernels."""
    entry: str
    """The consuming port: its anchor, or a kind such as `conv+add` where light work beside the anchor consumes it."""
    value: int
    """The tensor's number in the graph."""
    elements: int
    consumers: int
    """Number of consumers of the tensor: kernels, and the graph's outputs."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A graph partitioned into kernels."""

    def_use: DefUse
    kernels: tuple[Kernel, ...]
    edges: tuple[Edge, ...]
    views: int
    """Number of nodes that only change the shape; they belong to no kernel."""

    @property
    def graph(self) -> Graph:
        """The partitioned graph."""
        return self.def_use.graph

    def kernel_graph(self, index: int) -> Graph:
        """A kernel as a graph of its own."""
        return part_of(self.def_use, self.kernels[index].members, self.kernels[index].kind)

    def pair_graph(self, edge: Edge) -> Graph:
        """Two neighbors as one graph, with the views between them."""
        producer, consumer = self.kernels[edge.producer], self.kernels[edge.consumer]
        between = _views_between(self.def_use, producer.members, consumer.members)
        members = (*producer.members, *between, *consumer.members)
        return part_of(self.def_use, members, f"{producer.kind} > {consumer.kind}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kernel and a unit that its runtime may or may not fuse with it."""

    rule: Rule
    before: tuple[int, ...]
    after: tuple[int, ...]
    """Positions of the nodes of both."""


def partition_graph(graph: Graph, rules: Collection[Rule]) -> Partition:
    """Partition a graph into kernels by the rules of a target."""
    return _Partitioner(graph, frozenset(rules)).partition_graph()


def candidates(graph: Graph, rules: Collection[Rule]) -> list[Candidate]:
    """Possible further fusions in a graph partitioned by the known rules."""
    cutting = _Partitioner(graph, frozenset(rules))
    cutting.partition_graph()
    return cutting.rejected


class _Partitioner:
    """One pass over the units of a graph; each joins earlier kernels or starts a new one."""

    def __init__(self, graph: Graph, rules: frozenset[Rule]) -> None:
        self.graph = graph
        self.rules = rules
        self.def_use = DefUse(graph)
        self.units = units_of(graph)
        self.kernels: list[list[Unit]] = []
        self.kernel_of: dict[int, int] = {}
        self.rejected: list[Candidate] = []

    def partition_graph(self) -> Partition:
        """The graph in kernels."""
        for unit in self.units:
            if unit.kind != "view":
                self._join(unit)
        nonempty = [place for place, units in enumerate(self.kernels) if units]
        kernels = tuple(_kernel(self.kernels[place]) for place in nonempty)
        renamed = {place: index for index, place in enumerate(nonempty)}
        edges = tuple(self._edges(kernels, {node: renamed[place] for node, place in self.kernel_of.items()}))
        return Partition(self.def_use, kernels, edges, sum(unit.kind == "view" for unit in self.units))

    def _join(self, unit: Unit) -> None:
        """Join the unit with the earlier kernels that its runtime fuses with it; the last one first."""
        joined = [unit]
        for place in sorted(self._sole_producers(unit), reverse=True):
            before = self.kernels[place]
            heavy = sum(not other.light for other in (*before, *joined))
            if heavy > 1:
                continue
            rule = _kind_in_rules(before), _kind_in_rules(joined)
            if rule in self.rules:
                joined = sorted([*before, *joined], key=lambda other: other.members[-1])
                self.kernels[place] = []
            else:
                self.rejected.append(Candidate(rule, _members(before), _members(joined)))
        self.kernels.append(joined)
        for node in _members(joined):
            self.kernel_of[node] = len(self.kernels) - 1

    def _sole_producers(self, unit: Unit) -> set[int]:
        """The kernels whose only output is consumed by this unit alone, directly."""
        inside, found = set(unit.members), set()
        for node in unit.members:
            for number in self.def_use.variables(self.graph.nodes[node]):
                producer = self.def_use.producer_of(number)
                if producer is None or producer in inside or producer not in self.kernel_of:
                    continue
                place = self.kernel_of[producer]
                last = self.kernels[place][-1].members[-1] == producer
                is_sole = last and len(self.graph.nodes[producer].outputs) == 1
                if is_sole and all(consumer in inside for consumer in self.def_use.consumers[number]):
                    found.add(place)
        return found

    def _edges(self, kernels: Sequence[Kernel], kernel_of: dict[int, int]) -> Iterator[Edge]:
        """Tensors that kernels pass to each other, also through views."""
        tensors = self.def_use.tensors
        kind_of = {node: unit.kind for unit in self.units for node in unit.members}
        handed: dict[int, dict[int, str]] = {}
        for node, kernel in kernel_of.items():
            anchor = kernels[kernel].anchor
            entry = anchor if kind_of[node] == anchor else f"{anchor}+{kind_of[node]}"
            for number in self.graph.nodes[node].inputs:
                root = self._root_value(number)
                producer = self.def_use.producer_of(root) if root != ABSENT else None
                if producer is not None and kernel_of[producer] != kernel:
                    handed.setdefault(root, {}).setdefault(kernel, entry)
        outputs = set(self.graph.outputs)
        for root, consumers in handed.items():
            producer, read = self.def_use.producer[root], root in outputs
            for consumer, entry in consumers.items():
                yield Edge(kernel_of[producer], consumer, entry, root, tensors[root].elements, len(consumers) + read)

    def _root_value(self, number: int) -> int:
        """The value of which this one is a view."""
        while (producer := self.def_use.producer_of(number)) is not None and producer not in self.kernel_of:
            number = self.graph.nodes[producer].inputs[0]
        return number


def _kernel(units: list[Unit]) -> Kernel:
    anchor = next((unit for unit in units if not unit.light), units[0])
    return Kernel(_kind(units), anchor.kind, _members(units), anchor.light)


def _kind(units: list[Unit]) -> str:
    return "+".join(unit.kind for unit in units)


def _kind_in_rules(units: list[Unit]) -> str:
    """The kind without the padding before heavy work, since padding does not affect fusion."""
    return _kind([unit for unit in units if unit.kind != "pad"] or units)


def _members(units: list[Unit]) -> tuple[int, ...]:
    return tuple(sorted(node for unit in units for node in unit.members))


def _views_between(def_use: DefUse, before: tuple[int, ...], after: tuple[int, ...]) -> set[int]:
    """The views between one kernel's nodes and another's."""
    graph = def_use.graph
    found: set[int] = set()
    for node in after:
        for number in graph.nodes[node].inputs:
            path, at = set(), def_use.producer_of(number) if number != ABSENT else None
            while at is not None and at not in before and at not in after:
                path.add(at)
                at = def_use.producer_of(graph.nodes[at].inputs[0])
            if at in before:
                found |= path
    return found
