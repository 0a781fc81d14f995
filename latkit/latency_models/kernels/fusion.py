"""Fusion rules: which neighbors a runtime computes at once, learned from small probes on the target.

As in nn-Meter's detector (Zhang et al. 2021, section 4.2), a kernel A and a unit B that follows it are timed alone and
together: they are fused if the saving, T(A) + T(B) - T(AB), is more than half of the smaller time. A second probe
covers runtimes that use a memory layout of their own for A's tensors: whether B between A and a third, C, preserves
what A and C save as neighbors.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from latkit.errors import UsageError
from latkit.graphs import Candidate, Graph, Rule, candidates
from latkit.graphs.def_use import DefUse
from latkit.graphs.dialects import units_of
from latkit.graphs.unit import Unit

SIGNIFICANT_SHARE = 0.5
"""Minimum saving, as a share of the smaller time."""

MIN_MEASURABLE_SHARE = 0.02
"""Minimum saving, as a share of the total time: less may be noise."""

MIN_CHAIN_SHARE = 0.7
"""Minimum share of the neighbors' saving that is left with a unit between them."""

MAX_MEASURED_RATIO = 1.5
"""A larger saving is impossible: the measurement was noisy."""

GOOD_SIZE = 100_000
"""Preferred number of elements between the two: large enough to time well, small enough for a cache."""

INSTANCES = 2
"""Number of pairs of different sizes on which a rule is tried."""

Seconds = Callable[[Graph], float]
"""Measured latency of a graph, without the runtime's fixed cost."""


@dataclass(frozen=True, slots=True)
class Saving:
    """A saving and its expected size if a rule holds: both in seconds, to be summed over several probes."""

    saved_s: float
    expected_s: float
    """Expected saving if the rule holds."""
    total_s: float
    """Time of all work timed together."""

    def exceeds(self, min_share: float) -> bool:
        """Whether the saving exceeds this share, and the noise."""
        signal = min(self.saved_s, self.expected_s) > MIN_MEASURABLE_SHARE * self.total_s
        return signal and min_share * self.expected_s < self.saved_s < MAX_MEASURED_RATIO * self.expected_s


@dataclass(frozen=True, slots=True)
class Chain:
    """A kernel, a unit and a third kernel in a row, to test whether the middle one preserves a layout."""

    third: Graph
    without: Graph
    """The first and the third alone."""
    both: Graph
    """The first two; the second also takes its other inputs of that shape from the first, in its layout."""
    all_three: Graph

    def saving(self, seconds: Seconds, before_s: float) -> Saving:
        """Saving of the outer two with the middle one between, and as direct neighbors."""
        third_s, total_s = seconds(self.third), seconds(self.all_three)
        saved_s = seconds(self.both) + third_s - total_s
        return Saving(saved_s, before_s + third_s - seconds(self.without), total_s)


@dataclass(frozen=True, slots=True)
class Probe:
    """The graphs to time to learn whether a rule holds."""

    rule: Rule
    before: Graph
    after: Graph
    both: Graph
    chain: Chain | None

    def graphs(self) -> list[Graph]:
        """All graphs to time."""
        more = [self.chain.third, self.chain.without, self.chain.both, self.chain.all_three] if self.chain else []
        return [self.before, self.after, self.both, *more]

    def saving(self, seconds: Seconds) -> Saving:
        """Saving by computing both at once, and the smaller of both times."""
        before_s, after_s, both_s = (seconds(graph) for graph in (self.before, self.after, self.both))
        return Saving(before_s + after_s - both_s, min(before_s, after_s), both_s)


def probes(networks: Iterable[Graph], rules: Collection[Rule], decided: Collection[Rule]) -> list[Probe]:
    """Probes for every pair of neighbors, in networks cut by the known rules, that has no rule yet.

    For each, those where many elements pass between the two relative to the work in both.
    """
    found: dict[Rule, dict[str, tuple[float, Graph, Candidate]]] = {}
    for network in networks:
        def_use = DefUse(network)
        for candidate in candidates(network, rules):
            if candidate.rule not in decided:
                both = def_use.part((*candidate.before, *candidate.after))
                passed_elements = _passed_elements(network, candidate)
                signal = min(passed_elements, GOOD_SIZE**2 / passed_elements) ** 2 / (both.macs + 10 * passed_elements)
                found.setdefault(candidate.rule, {})[both.key] = signal, network, candidate
    chosen = (sorted(known.values(), key=lambda k: -k[0])[:INSTANCES] for known in found.values())
    return [_probe(network, candidate) for instances in chosen for _, network, candidate in instances]


def decide(made: Iterable[Probe], seconds: Seconds) -> dict[Rule, bool]:
    """Whether each rule holds, by the total saving of its probes."""
    by_rule: dict[Rule, list[Probe]] = {}
    for probe in made:
        by_rule.setdefault(probe.rule, []).append(probe)
    return {rule: _holds(found, seconds) for rule, found in by_rule.items()}


def _holds(made: Sequence[Probe], seconds: Seconds) -> bool:
    if _sum([probe.saving(seconds) for probe in made]).exceeds(SIGNIFICANT_SHARE):
        return True
    chains = [probe.chain.saving(seconds, seconds(probe.before)) for probe in made if probe.chain]
    return bool(chains) and _sum(chains).exceeds(MIN_CHAIN_SHARE)


def _sum(savings: Sequence[Saving]) -> Saving:
    return Saving(sum(s.saved_s for s in savings), sum(s.expected_s for s in savings), sum(s.total_s for s in savings))


def _passed_elements(graph: Graph, candidate: Candidate) -> int:
    """Number of elements that the unit outputs."""
    return max(1, *(tensor.elements for index in candidate.after for tensor in graph.nodes[index].outputs))


def _probe(graph: Graph, candidate: Candidate) -> Probe:
    before, after, def_use = candidate.before, candidate.after, DefUse(graph)
    return Probe(
        candidate.rule,
        def_use.part(before, candidate.rule[0]),
        def_use.part(after, candidate.rule[1]),
        def_use.part((*before, *after), " + ".join(candidate.rule)),
        _chain(graph, candidate),
    )


def _chain(graph: Graph, candidate: Candidate) -> Chain | None:
    """The chain with the heavy unit that follows, where the unit between preserves its tensor's shape."""
    def_use = DefUse(graph)
    given, before_output = def_use.first[max(candidate.after)], def_use.first[max(candidate.before)]
    tensors = graph.tensors()
    next_unit = _next_heavy(graph, def_use, given)
    heavy = any(not unit.light for unit in units_of(def_use.part(candidate.before)))
    if next_unit is None or not heavy or tensors[given].shape != tensors[before_output].shape:
        return None
    third, taken = next_unit
    both = (*candidate.before, *candidate.after)
    others = {
        n
        for node in candidate.after
        for n in def_use.variables(graph.nodes[node])
        if def_use.producer.get(n) not in both
    }
    replacements = {number: before_output for number in others if tensors[number].shape == tensors[before_output].shape}
    try:
        direct = _rewired(graph, third.members, {taken: before_output})
        through = _rewired(_rewired(graph, third.members, {taken: given}), candidate.after, replacements)
    except UsageError:  # a node would take a value that a later one gives
        return None
    return Chain(
        def_use.part(third.members, third.kind),
        _last_output(DefUse(direct).part((*candidate.before, *third.members))),
        _last_output(DefUse(through).part(both)),
        _last_output(DefUse(through).part((*both, *third.members))),
    )


def _next_heavy(graph: Graph, def_use: DefUse, value: int) -> tuple[Unit, int] | None:
    """The first heavy unit downstream of a value, past light ones that preserve its shape, and the value it
    consumes."""
    units = units_of(graph)
    unit_of = {node: unit for unit in units for node in unit.members}
    tensors, waiting, visited = graph.tensors(), [value], {value}
    while waiting:
        at = waiting.pop(0)
        for consumer in def_use.consumers.get(at, []):
            unit = unit_of.get(consumer)
            if unit is None or unit.kind == "view":
                continue
            if not unit.light:
                return unit, at
            given = def_use.first[unit.members[-1]]
            if tensors[given].shape == tensors[value].shape and given not in visited:
                visited.add(given)
                waiting.append(given)
    return None


def _rewired(graph: Graph, members: Iterable[int], replaced: Mapping[int, int]) -> Graph:
    """The graph with some nodes consuming other values."""
    nodes = list(graph.nodes)
    for index in members:
        inputs = tuple(replaced.get(number, number) for number in nodes[index].inputs)
        nodes[index] = replace(nodes[index], inputs=inputs)
    return replace(graph, nodes=tuple(nodes))


def _last_output(graph: Graph) -> Graph:
    """The graph with only its last output: intermediate outputs are dropped."""
    return replace(graph, outputs=graph.outputs[-1:])
