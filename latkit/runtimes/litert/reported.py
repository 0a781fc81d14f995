"""The kernels of a graph as LiteRT reports them: XNNPACK's kernels, aligned with the operators of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latkit.graphs.def_use import DefUse
from latkit.graphs.dialects import units_of
from latkit.graphs.graph import ABSENT, Graph
from latkit.graphs.reported import FusionReport, ReportedKernel
from latkit.runtimes.base import ExecutedOp
from latkit.runtimes.litert.alignment import Tensors, align


@dataclass(frozen=True, slots=True)
class _Operator:
    kind: str
    inputs: Tensors
    outputs: Tensors


def report_of(graph: Graph, executed: Sequence[ExecutedOp], interpreter: str) -> FusionReport | None:
    """The kernels of the file that was written of a graph; None where they do not account for its operators.

    `interpreter`: placement of an operator that no delegate took; its name is the operator's number.
    An activation or a padding without a kernel of its own is part of its producer's or its consumer's.
    """
    by_interpreter = {int(one.name) for one in executed if one.placement == interpreter and one.name.isdigit()} & set(
        range(len(graph.nodes))
    )
    free = [place for place in range(len(graph.nodes)) if place not in by_interpreter]
    operators = [_operator(graph, place) for place in free]
    kernels = [one.kind for one in executed if one.placement != interpreter]
    found = [free[number] for number in align(kernels, operators) if number is not None]
    if kernels and not found:
        return None
    owners = {place: place for place in (*by_interpreter, *found)}
    for place, unit in ((unit.members[0], unit) for unit in units_of(graph) if unit.members[0] not in owners):
        if unit.kind == "view":
            continue
        owner = _neighbor(graph, place, owners) if unit.light else None
        if owner is None:
            return None
        owners[place] = owner
    groups = {owner: {place for place, one in owners.items() if one == owner} for owner in set(owners.values())}
    return FusionReport(tuple(ReportedKernel(frozenset(group)) for _, group in sorted(groups.items())))


def _operator(graph: Graph, place: int) -> _Operator:
    node, tensors = graph.nodes[place], graph.tensors()
    taken = [tensors[number] for number in node.inputs if number != ABSENT]
    return _Operator(
        node.op,
        tuple((tensor.type, tensor.shape) for tensor in taken),
        tuple((tensor.type, tensor.shape) for tensor in node.outputs),
    )


def _neighbor(graph: Graph, place: int, owners: dict[int, int]) -> int | None:
    """The kernel that a node without one belongs to: a padding to its consumer's, another to its producer's."""
    def_use, node = DefUse(graph), graph.nodes[place]
    if node.op in ("PAD", "PADV2"):
        consumer = def_use.sole_consumer(place)
        return None if consumer is None else owners.get(consumer)
    producers = [def_use.producer_of(number) for number in def_use.variables(node)]
    return owners.get(producers[0]) if len(producers) == 1 and producers[0] is not None else None
