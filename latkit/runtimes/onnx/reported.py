"""The kernels of a graph as onnxruntime reports them: the nodes of the graph that it writes after optimization.

Tensors keep their names through most of its steps. Where it stores one in blocks of channels ("NCHWc") or reshapes it
for a matrix product, the name is new, and what it stands for follows from conversions and from names of nodes, which
hold those of the nodes that they replace.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from latkit.graphs.def_use import DefUse
from latkit.graphs.dialects import units_of
from latkit.graphs.graph import Graph
from latkit.graphs.reported import FusionReport, ReportedKernel
from latkit.graphs.unit import Unit

BLOCKED_DOMAIN = "com.microsoft.nchwc"
CONVERSIONS = frozenset({"ReorderInput", "ReorderOutput"})
VIEWS = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Identity", "Flatten", "Cast", "Transpose"})
"""Operators that onnxruntime inserts to change a tensor's form; each is a view where it replaces no node."""

_NODE = re.compile(r"(?:^|[ /])n(\d+)(?![\w.])|^n(\d+)(?=[/_ ]|$)")
_BLOCKED = re.compile(r"^v(\d+)_nchwc")
_VALUE = re.compile(r"^v(\d+)$")


def name_nodes(model: Any) -> None:
    """Name the nodes of a written graph, so that a report can be read."""
    for index, node in enumerate(model.graph.node):
        node.name = f"n{index}"


def report_of(graph: Graph, optimized: Any) -> FusionReport:
    """The kernels of the optimized model of a graph whose nodes are named. Those that cannot be told are left out."""
    reading = _Reading(graph, optimized.graph.node)
    reading.resolve()
    return reading.report()


class _Reading:
    """What the tensors of an optimized model stand for."""

    def __init__(self, graph: Graph, nodes: Iterable[Any]) -> None:
        self.graph = graph
        self.def_use = DefUse(graph)
        self.unit_of = {node: unit for unit in units_of(graph) for node in unit.members}
        self.nodes: Sequence[Any] = [node for node in nodes if any(node.output)]
        self.stands: dict[str, int] = {}
        """The value of the graph, by the name of a tensor."""
        for node in self.nodes:
            for name in (*node.input, *node.output):
                if match := _VALUE.match(name):
                    self.stands[name] = int(match[1])
        self.anchors = [self._anchor(node) for node in self.nodes]
        self.claimed = {anchor for anchor in self.anchors if anchor is not None}

    def resolve(self) -> None:
        """Find out what every tensor stands for, from the inputs on."""
        places = list(zip(self.nodes, self.anchors, strict=True))
        for node, anchor in reversed(places):
            if self._is_conversion(node, anchor) and node.output[0] in self.stands:
                self.stands.setdefault(node.input[0], self.stands[node.output[0]])
        for node, anchor in places:
            name = node.output[0]
            if name in self.stands:
                continue
            if self._is_conversion(node, anchor):
                if node.input[0] in self.stands:
                    self.stands[name] = self.stands[node.input[0]]
            elif anchor is not None:
                self.stands[name] = self.def_use.first[self._last_computed(node, anchor)]

    def report(self) -> FusionReport:
        """The kernels whose inputs and outputs enclose them."""
        blocked = self._blocked()
        made: list[ReportedKernel] = []
        producer: dict[str, int] = {}
        for node, anchor in zip(self.nodes, self.anchors, strict=True):
            if self._is_conversion(node, anchor):
                continue
            members = self._members(node)
            if not members:
                continue
            follows = [producer[name] for name in node.input if name in blocked and name in producer]
            keeps = node.domain != BLOCKED_DOMAIN and node.output[0] in blocked
            keeps = keeps and all(self.unit_of[member].light for member in members)
            producer.update(dict.fromkeys(node.output, len(made)))
            made.append(ReportedKernel(frozenset(members), frozenset(follows) if keeps else frozenset()))
        return FusionReport(tuple(made))

    def _anchor(self, node: Any) -> int | None:
        """A node of the graph that this one computes, by its name or its output."""
        if match := _NODE.search(node.name):
            place = int(match[1] or match[2])
            return place if place < len(self.graph.nodes) else None
        values = [int(match[1]) for name in node.output if (match := _VALUE.match(name))]
        if not values and node.op_type not in CONVERSIONS and (match := _BLOCKED.match(node.name)):
            values = [int(match[1])]
        return self.def_use.producer_of(values[0]) if values else None

    def _is_conversion(self, node: Any, anchor: int | None) -> bool:
        """Whether it changes the form of a tensor only, and replaces no node that computes."""
        if node.op_type in CONVERSIONS:
            return True
        return node.op_type in VIEWS and (anchor is None or self.graph.nodes[anchor].op != node.op_type)

    def _last_computed(self, node: Any, anchor: int) -> int:
        """The last of the nodes after an anchor that no other node computes, and whose inputs this one has.

        The names of fused nodes are those of their first or their last node.
        """
        inputs = {self.stands[name] for name in node.input if name in self.stands}
        while (unit := self._next_unit(anchor)) is not None:
            taken = {n for member in unit.members for n in self.def_use.variables(self.graph.nodes[member])}
            given = {number for member in (anchor, *unit.members) for number in self.def_use.given(member)}
            if not unit.light or unit.kind == "pad" or self.claimed & {*unit.members} or not taken <= inputs | given:
                break
            anchor = unit.members[-1]
        return anchor

    def _next_unit(self, place: int) -> Unit | None:
        """The only unit that takes a node's output; None where there are several, or where the graph gives it."""
        consumers = self.def_use.consumers.get(self.def_use.first[place], [])
        units = {self.unit_of.get(consumer) for consumer in consumers}
        return units.pop() if len(units) == 1 else None

    def _blocked(self) -> set[str]:
        """The tensors that are stored in blocks of channels."""
        found: set[str] = set()
        for node, anchor in zip(self.nodes, self.anchors, strict=True):
            if node.op_type == "ReorderOutput" or _VALUE.match(node.output[0]):
                continue
            if node.domain == BLOCKED_DOMAIN or (not self._is_conversion(node, anchor) and found & {*node.input}):
                found.update(node.output)
        return found

    def _members(self, node: Any) -> set[int] | None:
        """The nodes of the graph from its outputs back to its inputs; None where these do not enclose any."""
        inputs = {self.stands[name] for name in node.input if name in self.stands}
        waiting = [self.stands[name] for name in node.output if name in self.stands]
        found: set[int] = set()
        while waiting:
            number = waiting.pop()
            producer = self.def_use.producer_of(number)
            if producer is None:
                if self.graph.constant(number) is None and number not in inputs:
                    return None
                continue
            if producer in found or (number in inputs and found):
                continue
            found.add(producer)
            waiting += [n for n in self.def_use.variables(self.graph.nodes[producer]) if n not in inputs]
        return found
