"""Which neighbours a runtime computes at once, learned from small probes on the target.

As nn-Meter's detector does (Zhang et al. 2021, section 4.2), a kernel A and a unit B that follows it are timed alone
and together: they are fused if what is saved, T(A) + T(B) - T(AB), is more than half of the lesser. One thing more
is tried, since a runtime may lay out A's tensors in a way of its own: whether B between A and a third, C, leaves intact
what A and C save as neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from latkit.graphs import Candidate, Graph, Rule, candidates
from latkit.graphs.links import Links
from latkit.graphs.units import Unit, units_of

SIGNIFICANT_SHARE = 0.5
"""Share of the lesser's time that must be saved."""

TELLING = 0.02
"""Share of the time of all that must be saved at least: less may be noise."""

KEPT = 0.7
"""Share of what neighbours save that must be left with a unit between them."""

MAX_MEASURED_RATIO = 1.5
"""More than this share cannot be saved: what was timed was disturbed."""

GOOD_SIZE = 100_000
"""Numbers that pass between the two, where there is a choice: enough to be timed well, and few enough for a cache."""

INSTANCES = 2
"""A rule is tried on so many pairs of different sizes."""

Seconds = Callable[[Graph], float]
"""Measured latency of a graph, without the runtime's fixed cost."""


@dataclass(frozen=True, slots=True)
class Saving:
    """What is saved, beside what would show that it is: both in seconds, to be added up over several probes."""

    found_s: float
    full_s: float
    """As much as would be found if the rule held."""
    whole_s: float
    """Of all work timed together."""

    def shows(self, least_share: float) -> bool:
        """Whether so large a share was found, of something that can be told from noise."""
        telling = min(self.found_s, self.full_s) > TELLING * self.whole_s
        return telling and least_share * self.full_s < self.found_s < MAX_MEASURED_RATIO * self.full_s


@dataclass(frozen=True, slots=True)
class Chain:
    """A kernel, a unit and a third piece of work in a row, to see whether the middle one leaves a layout intact."""

    third: Graph
    without: Graph
    """The first and the third alone."""
    both: Graph
    """The first two; what the second takes of others of that shape, it takes of the first too, as laid out by it."""
    whole: Graph

    def saving(self, seconds: Seconds, before_s: float) -> Saving:
        """What the outer two save with the middle one between, and what they save as neighbours."""
        third_s, whole_s = seconds(self.third), seconds(self.whole)
        found_s = seconds(self.both) + third_s - whole_s
        return Saving(found_s, before_s + third_s - seconds(self.without), whole_s)


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

    def saving(self, seconds: Seconds) -> Saving:
        """What is saved by computing both at once, and the lesser of them."""
        before_s, after_s, both_s = (seconds(graph) for graph in (self.before, self.after, self.both))
        return Saving(before_s + after_s - both_s, min(before_s, after_s), both_s)


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
    """Whether each rule holds, by what all of its probes save together."""
    by_rule: dict[Rule, list[Probe]] = {}
    for probe in made:
        by_rule.setdefault(probe.rule, []).append(probe)
    return {rule: _holds(found, seconds) for rule, found in by_rule.items()}


def _holds(made: Sequence[Probe], seconds: Seconds) -> bool:
    if _sum([probe.saving(seconds) for probe in made]).shows(SIGNIFICANT_SHARE):
        return True
    chains = [probe.chain.saving(seconds, seconds(probe.before)) for probe in made if probe.chain]
    return bool(chains) and _sum(chains).shows(KEPT)


def _sum(savings: Sequence[Saving]) -> Saving:
    return Saving(sum(s.found_s for s in savings), sum(s.full_s for s in savings), sum(s.whole_s for s in savings))


def _handed(graph: Graph, candidate: Candidate) -> int:
    """How many numbers the unit gives."""
    return max(1, *(tensor.elements for index in candidate.after for tensor in graph.nodes[index].outputs))


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
    heavy = any(not unit.light for unit in units_of(links.part(candidate.before)))
    if following is None or not heavy or tensors[given].shape != tensors[kept].shape:
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
