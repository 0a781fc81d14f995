"""Which neighbours a runtime computes at once, learned from small probes on the target.

As nn-Meter's detector does (Zhang et al. 2021, section 4.2), a kernel A and a unit B that follows it are timed alone
and together: they are fused if what is saved, T(A) + T(B) - T(AB), is more than half of the lesser. One thing more
is tried, since a runtime may lay out A's tensors in a way of its own: whether B between A and a third, C, leaves intact
what A and C save as neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from latkit.graphs import Candidate, Graph, Rule, candidates
from latkit.graphs.links import Links
from latkit.graphs.units import Unit, units_of

ENOUGH = 0.5
"""Share of the lesser's time that must be saved."""

TELLING = 0.02
"""Share of the time of all that must be saved at least: less may be noise."""

KEPT = 0.7
"""Share of what neighbours save that must be left with a unit between them."""

GOOD_SIZE = 100_000
"""Numbers that pass between the two, where there is a choice: enough to be timed well, and few enough for a cache."""

INSTANCES = 1
"""A rule is tried on so many pairs of different sizes, and holds if it does on most of them."""

Seconds = Callable[[Graph], float]
"""Measured latency of a graph, without the runtime's fixed cost."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A kernel, a unit and a third piece of work in a row, to see whether the middle one leaves a layout intact."""

    third: Graph
    without: Graph
    """The first and the third alone."""
    both: Graph
    """The first two; what the second takes of others of that shape, it takes of the first too, as laid out by it."""
    whole: Graph

    def fused(self, seconds: Seconds, before_s: float) -> bool:
        """Whether the middle one leaves what the outer two save as neighbours."""
        third_s, whole_s = seconds(self.third), seconds(self.whole)
        saved = before_s + third_s - seconds(self.without)
        left = seconds(self.both) + third_s - whole_s
        return saved > TELLING * whole_s and KEPT * saved < left < saved / KEPT


@dataclass(frozen=True, slots=True)
class Probe:
    """What is timed to learn whether a rule holds."""

    rule: Rule
    before: Graph
    after: Graph
    both: Graph
    chain: Chain | None

    def graphs(self) -> list[Graph]:
        """Everything that is to be timed."""
        more = [self.chain.third, self.chain.without, self.chain.both, self.chain.whole] if self.chain else []
        return [self.before, self.after, self.both, *more]

    def fused(self, seconds: Seconds) -> bool:
        """Whether the runtime computes both at once, by the seconds of `graphs`."""
        before_s, after_s, both_s = (seconds(graph) for graph in (self.before, self.after, self.both))
        if before_s + after_s - both_s > max(ENOUGH * min(before_s, after_s), TELLING * both_s):
            return True
        return self.chain is not None and self.chain.fused(seconds, before_s)


def probes(networks: Iterable[Graph], rules: Collection[Rule], decided: Collection[Rule]) -> list[Probe]:
    """Probes for every pair of neighbours in networks cut by the rules so far that nobody has decided on.

    For each, those where many numbers pass between the two for the work there is in both.
    """
    found: dict[Rule, dict[str, tuple[float, Graph, Candidate]]] = {}
    for network in networks:
        links = Links(network)
        for candidate in candidates(network, rules):
            if candidate.rule not in decided:
                both = links.part((*candidate.before, *candidate.after))
                handed = _handed(network, candidate)
                telling = min(handed, GOOD_SIZE**2 / handed) ** 2 / (both.macs + 10 * handed)
                found.setdefault(candidate.rule, {})[both.key] = telling, network, candidate
    chosen = (sorted(known.values(), key=lambda k: -k[0])[:INSTANCES] for known in found.values())
    return [_probe(network, candidate) for instances in chosen for _, network, candidate in instances]


def decide(made: Iterable[Probe], seconds: Seconds) -> dict[Rule, bool]:
    """Whether each rule holds, by most of its probes."""
    votes: dict[Rule, list[bool]] = {}
    for probe in made:
        votes.setdefault(probe.rule, []).append(probe.fused(seconds))
    return {rule: 2 * sum(found) > len(found) for rule, found in votes.items()}


def _handed(graph: Graph, candidate: Candidate) -> int:
    """How many numbers the unit gives."""
    return max(tensor.elements for index in candidate.after for tensor in graph.nodes[index].outputs)


def _probe(graph: Graph, candidate: Candidate) -> Probe:
    before, after, links = candidate.before, candidate.after, Links(graph)
    return Probe(
        candidate.rule,
        links.part(before, candidate.rule[0]),
        links.part(after, candidate.rule[1]),
        links.part((*before, *after), " + ".join(candidate.rule)),
        _chain(graph, candidate),
    )


def _chain(graph: Graph, candidate: Candidate) -> Chain | None:
    """The chain with the heavy unit that follows, where the unit between keeps its tensor's shape."""
    links = Links(graph)
    given, kept = links.first[max(candidate.after)], links.first[max(candidate.before)]
    tensors = graph.tensors()
    following = _next_heavy(graph, links, given)
    if following is None or tensors[given].shape != tensors[kept].shape:
        return None
    third, taken = following
    both = (*candidate.before, *candidate.after)
    others = {
        n for node in candidate.after for n in links.variables(graph.nodes[node]) if links.giver.get(n) not in both
    }
    like = {number: kept for number in others if tensors[number].shape == tensors[kept].shape}
    direct = _rewired(graph, third.members, {taken: kept})
    through = _rewired(_rewired(graph, third.members, {taken: given}), candidate.after, like)
    return Chain(
        links.part(third.members, third.kind),
        _last_output(Links(direct).part((*candidate.before, *third.members))),
        _last_output(Links(through).part(both)),
        _last_output(Links(through).part((*both, *third.members))),
    )


def _next_heavy(graph: Graph, links: Links, value: int) -> tuple[Unit, int] | None:
    """The first heavy unit on the way from a value, past light ones that keep its shape, and which value it takes."""
    units = units_of(graph)
    unit_of = {node: unit for unit in units for node in unit.members}
    tensors, waiting, seen = graph.tensors(), [value], {value}
    while waiting:
        at = waiting.pop(0)
        for taker in links.takers.get(at, []):
            unit = unit_of.get(taker)
            if unit is None or unit.kind == "view":
                continue
            if not unit.light:
                return unit, at
            given = links.first[unit.members[-1]]
            if tensors[given].shape == tensors[value].shape and given not in seen:
                seen.add(given)
                waiting.append(given)
    return None


def _rewired(graph: Graph, members: Iterable[int], instead: Mapping[int, int]) -> Graph:
    """The graph with nodes that take other values than they did."""
    nodes = list(graph.nodes)
    for index in members:
        inputs = tuple(instead.get(number, number) for number in nodes[index].inputs)
        nodes[index] = replace(nodes[index], inputs=inputs)
    return replace(graph, nodes=tuple(nodes))


def _last_output(graph: Graph) -> Graph:
    """The graph with its last output alone: what others took of its inside does not count."""
    return replace(graph, outputs=graph.outputs[-1:])
