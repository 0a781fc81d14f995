"""The kernels of a graph as its runtime reports them, and what they say of fusion rules."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from latkit.graphs.def_use import DefUse
from latkit.graphs.dialects import units_of
from latkit.graphs.graph import Graph
from latkit.graphs.partition import Rule, candidates, partition_graph


@dataclass(frozen=True, slots=True)
class ReportedKernel:
    """Nodes that a runtime computes at once."""

    members: frozenset[int]
    """Positions of its nodes in the graph."""
    follows: frozenset[int] = frozenset()
    """Positions of the reported kernels whose tensors it takes and gives on in the runtime's own memory layout: like a
    fused unit, it saves its neighbors conversions."""


@dataclass(frozen=True, slots=True)
class FusionReport:
    """All kernels of a graph."""

    kernels: tuple[ReportedKernel, ...]

    def fuses(self, before: Collection[int], after: Collection[int]) -> bool | None:
        """Whether nodes and others that follow them are computed at once; None where the report lacks one side."""
        first, second = frozenset(before), frozenset(after)
        of_before = {place for place, kernel in enumerate(self.kernels) if kernel.members & first}
        of_after = {place for place, kernel in enumerate(self.kernels) if kernel.members & second}
        if not of_before or not of_after:
            return None
        return bool(of_before & of_after) or any(self.kernels[place].follows & of_before for place in of_after)


@dataclass(slots=True)
class Votes:
    """How often a runtime fuses two neighbors of a rule's kinds, and how often it does not."""

    fused: int = 0
    separate: int = 0

    @property
    def decision(self) -> bool:
        """The more frequent of both."""
        return self.fused > self.separate


def reported_rules(
    graphs: Sequence[tuple[Graph, FusionReport]], known: dict[Rule, bool], max_steps: int
) -> dict[Rule, bool]:
    """The rules that reports decide beside the known ones, in up to `max_steps` passes: one per unit that joins."""
    decided = dict(known)
    for _ in range(max_steps):
        votes: dict[Rule, Votes] = {}
        holding = [rule for rule, fused in decided.items() if fused]
        for graph, report in graphs:
            for candidate in candidates(graph, holding):
                fused = report.fuses(candidate.before, candidate.after)
                if candidate.rule in decided or fused is None:
                    continue
                vote = votes.setdefault(candidate.rule, Votes())
                vote.fused += fused
                vote.separate += not fused
        if not votes:
            break
        decided |= {rule: vote.decision for rule, vote in votes.items()}
    return decided


@dataclass(frozen=True, slots=True)
class Agreement:
    """On how many neighbors in a graph a partition by rules and the runtime's report agree."""

    agreeing: int
    neighbors: int

    def plus(self, other: Agreement) -> Agreement:
        """Both together."""
        return Agreement(self.agreeing + other.agreeing, self.neighbors + other.neighbors)

    @property
    def percent(self) -> float:
        """As a percentage; 100 without neighbors."""
        return 100 * self.agreeing / self.neighbors if self.neighbors else 100.0


def agreement(graph: Graph, rules: Collection[Rule], report: FusionReport) -> Agreement:
    """Compare, for all direct neighbors of which at least one is light, whether both are in one kernel."""
    kernel_of = {
        node: place for place, kernel in enumerate(partition_graph(graph, rules).kernels) for node in kernel.members
    }
    agreeing = total = 0
    for before, after in _neighbors(graph):
        reported = report.fuses(before, after)
        if reported is not None:
            total += 1
            agreeing += reported == (kernel_of[before[-1]] == kernel_of[after[-1]])
    return Agreement(agreeing, total)


def _neighbors(graph: Graph) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The nodes of every two units of which the second takes a tensor of the first, if one of them is light."""
    def_use, units = DefUse(graph), units_of(graph)
    unit_of = {node: unit for unit in units for node in unit.members}
    for unit in units:
        taken = [number for node in unit.members for number in def_use.variables(graph.nodes[node])]
        producers = dict.fromkeys(unit_of[p].members for n in taken if (p := def_use.producer_of(n)) is not None)
        for members in producers:
            other = unit_of[members[0]]
            if other != unit and "view" not in (unit.kind, other.kind) and (unit.light or other.light):
                yield members, unit.members
