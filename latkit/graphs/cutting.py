"""Cutting a graph into kernels: the pieces that a runtime computes at once, by rules learned on the target."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from latkit.graphs.graph import ABSENT, Graph
from latkit.graphs.links import Links
from latkit.graphs.units import Unit, units_of

Rule = tuple[str, str]
"""Kind of a kernel, and kind of the unit that its runtime computes along with it. For a light kernel, the reverse."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A piece of a graph that is computed at once."""

    kind: str
    """The kinds of its units in order, joined by `+`, such as `conv+add+relu`."""
    anchor: str
    """The kind of its heaviest unit: what it is at heart."""
    members: tuple[int, ...]
    """Places of its nodes in the graph."""
    light: bool
    """Whether nothing in it but light work."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A tensor that one kernel hands to another."""

    giver: int
    taker: int
    """Places of the kernels."""
    entry: str
    """Where the taker takes it: its anchor, or such as `conv+add` where light work beside the anchor does."""
    value: int
    """The tensor's number in the graph."""
    elements: int
    takers: int
    """How many take the same tensor: kernels, and whoever reads the graph's outputs."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A graph in kernels."""

    links: Links
    kernels: tuple[Kernel, ...]
    edges: tuple[Edge, ...]
    views: int
    """How many nodes give the same numbers under another shape; they belong to no kernel."""

    @property
    def graph(self) -> Graph:
        """What was cut."""
        return self.links.graph

    def kernel_graph(self, index: int) -> Graph:
        """A kernel as a graph of its own."""
        return self.links.part(self.kernels[index].members, self.kernels[index].kind)

    def pair_graph(self, edge: Edge) -> Graph:
        """Two neighbours as one graph, with the views between them."""
        giver, taker = self.kernels[edge.giver], self.kernels[edge.taker]
        between = _views_between(self.links, giver.members, taker.members)
        return self.links.part((*giver.members, *between, *taker.members), f"{giver.kind} > {taker.kind}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kernel and a unit that its runtime may or may not compute along with it."""

    rule: Rule
    before: tuple[int, ...]
    after: tuple[int, ...]
    """Places of the nodes of either."""


def cut(graph: Graph, rules: Collection[Rule]) -> Cut:
    """Cut a graph into kernels by the rules of a target."""
    return _Cutting(graph, frozenset(rules)).cut()


def candidates(graph: Graph, rules: Collection[Rule]) -> list[Candidate]:
    """What might be fused further in a graph that is cut by the rules so far."""
    cutting = _Cutting(graph, frozenset(rules))
    cutting.cut()
    return cutting.refused


class _Cutting:
    """One walk over the units of a graph, each of which joins kernels before it or begins one."""

    def __init__(self, graph: Graph, rules: frozenset[Rule]) -> None:
        self.graph = graph
        self.rules = rules
        self.links = Links(graph)
        self.units = units_of(graph)
        self.kernels: list[list[Unit]] = []
        self.kernel_of: dict[int, int] = {}
        self.refused: list[Candidate] = []

    def cut(self) -> Cut:
        """The graph in kernels."""
        for unit in self.units:
            if unit.kind != "view":
                self._place(unit)
        kept = [place for place, units in enumerate(self.kernels) if units]
        kernels = tuple(_kernel(self.kernels[place]) for place in kept)
        renamed = {place: index for index, place in enumerate(kept)}
        edges = tuple(self._edges(kernels, {node: renamed[place] for node, place in self.kernel_of.items()}))
        return Cut(self.links, kernels, edges, sum(unit.kind == "view" for unit in self.units))

    def _place(self, unit: Unit) -> None:
        """Join the kernels before the unit that its runtime computes along with it; the last one first."""
        joined = [unit]
        for place in sorted(self._sole_givers(unit), reverse=True):
            before = self.kernels[place]
            heavy = sum(not other.light for other in (*before, *joined))
            if heavy > 1:
                continue
            rule = _kind_in_rules(before), _kind_in_rules(joined)
            if rule in self.rules:
                joined = sorted([*before, *joined], key=lambda other: other.members[-1])
                self.kernels[place] = []
            else:
                self.refused.append(Candidate(rule, _members(before), _members(joined)))
        self.kernels.append(joined)
        for node in _members(joined):
            self.kernel_of[node] = len(self.kernels) - 1

    def _sole_givers(self, unit: Unit) -> set[int]:
        """The kernels whose only output this unit alone takes, directly."""
        inside, found = set(unit.members), set()
        for node in unit.members:
            for number in self.links.variables(self.graph.nodes[node]):
                giver = self.links.given_by(number)
                if giver is None or giver in inside or giver not in self.kernel_of:
                    continue
                place = self.kernel_of[giver]
                last = self.kernels[place][-1].members[-1] == giver
                alone = last and len(self.graph.nodes[giver].outputs) == 1
                if alone and all(taker in inside for taker in self.links.takers[number]):
                    found.add(place)
        return found

    def _edges(self, kernels: Sequence[Kernel], kernel_of: dict[int, int]) -> Iterator[Edge]:
        """What kernels hand to each other, also by way of views."""
        tensors = self.links.tensors
        kind_of = {node: unit.kind for unit in self.units for node in unit.members}
        handed: dict[int, dict[int, str]] = {}
        for node, kernel in kernel_of.items():
            anchor = kernels[kernel].anchor
            entry = anchor if kind_of[node] == anchor else f"{anchor}+{kind_of[node]}"
            for number in self.graph.nodes[node].inputs:
                root = self._behind_views(number)
                giver = self.links.given_by(root) if root != ABSENT else None
                if giver is not None and kernel_of[giver] != kernel:
                    handed.setdefault(root, {}).setdefault(kernel, entry)
        outputs = set(self.graph.outputs)
        for root, takers in handed.items():
            giver, read = self.links.giver[root], root in outputs
            for taker, entry in takers.items():
                yield Edge(kernel_of[giver], taker, entry, root, tensors[root].elements, len(takers) + read)

    def _behind_views(self, number: int) -> int:
        """The value that is seen under other shapes as this one."""
        while (giver := self.links.given_by(number)) is not None and giver not in self.kernel_of:
            number = self.graph.nodes[giver].inputs[0]
        return number


def _kernel(units: list[Unit]) -> Kernel:
    anchor = next((unit for unit in units if not unit.light), units[0])
    return Kernel(_kind(units), anchor.kind, _members(units), anchor.light)


def _kind(units: list[Unit]) -> str:
    return "+".join(unit.kind for unit in units)


def _kind_in_rules(units: list[Unit]) -> str:
    """The kind without the padding before heavy work, which changes nothing of what is computed along with that."""
    return _kind([unit for unit in units if unit.kind != "pad"] or units)


def _members(units: list[Unit]) -> tuple[int, ...]:
    return tuple(sorted(node for unit in units for node in unit.members))


def _views_between(links: Links, before: tuple[int, ...], after: tuple[int, ...]) -> set[int]:
    """The views on the way from one kernel's nodes to another's."""
    graph = links.graph
    found: set[int] = set()
    for node in after:
        for number in graph.nodes[node].inputs:
            way, at = set(), links.given_by(number) if number != ABSENT else None
            while at is not None and at not in before and at not in after:
                way.add(at)
                at = links.given_by(graph.nodes[at].inputs[0])
            if at in before:
                found |= way
    return found
