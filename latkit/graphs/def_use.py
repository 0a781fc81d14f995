"""Producers and consumers of a graph's values, and subgraphs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from latkit.graphs.graph import ABSENT, Graph, Node
from latkit.graphs.onnx.operators import BINARY, UNARY


class DefUse:
    """Producers and consumers of a graph's values."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors = graph.tensors()
        self.first = graph.first_outputs()
        self.producer: dict[int, int] = {}
        """Which node gives a value."""
        self.consumers: dict[int, list[int]] = {}
        """Which nodes take a value; the node `len(graph.nodes)` stands for the graph's own outputs."""
        for index, node in enumerate(graph.nodes):
            self.producer.update(dict.fromkeys(self.given(index), index))
            for number in node.inputs:
                self.consumers.setdefault(number, []).append(index)
        for number in graph.outputs:
            self.consumers.setdefault(number, []).append(len(graph.nodes))

    def given(self, index: int) -> Sequence[int]:
        """The output values of a node."""
        return range(self.first[index], self.first[index] + len(self.graph.nodes[index].outputs))

    def sole_consumer(self, index: int) -> int | None:
        """The only consumer of a node with one output; None where there are several or none."""
        consumers = self.consumers.get(self.first[index], [])
        is_sole = (
            len(consumers) == 1 and consumers[0] < len(self.graph.nodes) and len(self.graph.nodes[index].outputs) == 1
        )
        return consumers[0] if is_sole else None

    def producer_of(self, number: int) -> int | None:
        """The node that outputs a value; None for inputs and constants."""
        return self.producer.get(number)

    def variables(self, node: Node) -> list[int]:
        """The node's inputs that are neither constants nor absent."""
        return [n for n in node.inputs if n != ABSENT and self.graph.constant(n) is None]

    def is_scalar_step(self, node: Node) -> bool:
        """Whether a node maps one tensor elementwise, with the same function for every element."""
        if node.op in UNARY:
            return True
        constants = [constant for n in node.inputs if (constant := self.graph.constant(n)) is not None]
        return node.op in BINARY and len(constants) == 1 and constants[0].tensor.elements == 1

    def part(self, members: Iterable[int], name: str = "") -> Graph:
        """Some of the nodes as a graph of their own.

        Values from other nodes become inputs; values that other nodes or the graph's outputs consume become outputs.
        """
        graph, indices = self.graph, sorted(set(members))
        given = [number for index in indices for number in self.given(index)]
        taken = list(dict.fromkeys(n for index in indices for n in graph.nodes[index].inputs if n != ABSENT))
        constants = [number for number in taken if graph.constant(number) is not None]
        inputs = [number for number in taken if number not in {*given, *constants}]
        new_numbers = {ABSENT: ABSENT} | {number: place for place, number in enumerate([*inputs, *constants, *given])}
        nodes = tuple(
            replace(node, inputs=tuple(new_numbers[n] for n in node.inputs))
            for node in (graph.nodes[index] for index in indices)
        )
        outputs = [number for number in given if not {*self.consumers.get(number, ())} <= {*indices}]
        return Graph(
            tuple(self.tensors[number] for number in inputs),
            tuple(graph.constants[number - len(graph.inputs)] for number in constants),
            nodes,
            tuple(new_numbers[number] for number in outputs) or (new_numbers[given[-1]],),
            graph.opset,
            name,
            dialect=graph.dialect,
        )
