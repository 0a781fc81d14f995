"""Sampling plan for predicting external networks: kernels, pairs of neighbors, and a few whole networks to measure."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latkit.graphs import Graph, Rule, networks, partition_graph
from latkit.graphs.dialects import measured_form, variants_of
from latkit.latency_models.kernels.adjacency import Neighbors
from latkit.latency_models.kernels.features import KernelSpec, features, kernel_specs, roofline
from latkit.latency_models.trees.batch_selection import select_batch
from latkit.latency_models.trees.residual_trees import MIN_OPS_TO_FIT, fit_kind

MIN_KERNELS = 3
"""Minimum number of kernels of an anchor, before others get more."""

ELEMENT_MACS = 8
RUN_MACS = 50_000
"""Work of an element read or written, and of a run, in MACs: roughly, to choose what is measured."""

NETWORKS = 96
"""Number of networks that kernels are drawn from."""

LARGEST_MACS = 1_200_000_000
"""Maximum size of a kernel: larger ones are rare in current networks and cost too much time."""

PAIRS = 3
"""Number of pairs of different sizes measured for every two kinds of neighbors."""


def drawn_networks(dialect: str = "onnx") -> list[Graph]:
    """The networks that kernels are drawn from, always the same."""
    return [network for network in itertools.islice(networks(0, dialect), NETWORKS) if network.macs < LARGEST_MACS]


@dataclass(frozen=True, slots=True)
class Plan:
    """The candidates for measurement, by the rules of a target."""

    kernels: tuple[KernelSpec, ...]
    """All distinct kernels to choose from."""
    pairs: tuple[Graph, ...]
    needed: tuple[Graph, ...]
    """The kernels that the pairs consist of."""
    fractions: Mapping[str, float]
    """Mean share of each anchor in a network's work."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two neighbors together, and each alone."""

    macs: int
    both: Graph
    producer: Graph
    consumer: Graph


def plan(drawn: Iterable[Graph], rules: Collection[Rule]) -> Plan:
    """All kernels, pairs and networks, cut by the rules of a target."""
    kernels: dict[str, KernelSpec] = {}
    neighbors: dict[Neighbors, dict[int, _Pair]] = {}
    work: list[Counter[str]] = []
    for network in drawn:
        parts = partition_graph(network, rules)
        specs = kernel_specs(parts)
        others = _variants(specs, rules)
        kernels |= {spec.key: spec for spec in (*specs, *others)}
        work.append(_work([*specs, *others]))
        for edge in parts.edges:
            producer, consumer = specs[edge.producer], specs[edge.consumer]
            by_size = neighbors.setdefault((producer.anchor, edge.entry, edge.consumers > 1), {})
            macs = producer.macs + consumer.macs
            # A saving is lost in the noise of long kernels: of pairs of one size, the one with the least work is timed.
            if edge.elements not in by_size or macs < by_size[edge.elements].macs:
                by_size[edge.elements] = _Pair(macs, parts.pair_graph(edge), producer.timed, consumer.timed)
    chosen = [pair for by_size in neighbors.values() for pair in _far_apart(by_size, rules)]
    needed = dict.fromkeys(graph for pair in chosen for graph in (pair.producer, pair.consumer))
    pairs = dict.fromkeys(measured_form(pair.both) for pair in chosen)
    fractions = {anchor: sum(one[anchor] / one.total() for one in work) / len(work) for anchor in sum(work, Counter())}
    return Plan(tuple(kernels.values()), tuple(pairs), tuple(needed), fractions)


def _variants(specs: Iterable[KernelSpec], rules: Collection[Rule]) -> list[KernelSpec]:
    """The variants of kernels, so that networks which have them are predicted too."""
    graphs = dict.fromkeys(variant for spec in specs for variant in variants_of(spec.graph))
    return [spec for graph in graphs for spec in kernel_specs(partition_graph(graph, rules))]


def _work(specs: Iterable[KernelSpec]) -> Counter[str]:
    """Work of a network by anchor, in MACs."""
    found: Counter[str] = Counter()
    for spec in specs:
        elements = spec.input_elements + spec.output_elements + spec.weights
        found[spec.anchor] += RUN_MACS + spec.macs + spec.window_elements + ELEMENT_MACS * elements
    return found


def _far_apart(by_size: Mapping[int, _Pair], rules: Collection[Rule]) -> list[_Pair]:
    """A small, a medium and a larger pair, of those that stay two kernels on their own."""
    sizes = sorted(by_size)
    places = {(len(sizes) - 1) * share // (PAIRS + 1) for share in range(1, PAIRS + 1)}
    found = [by_size[sizes[place]] for place in sorted(places)]
    return [pair for pair in found if len(partition_graph(pair.both, rules).kernels) == 2]


def choose_kernels(
    pool: Sequence[KernelSpec], fractions: Mapping[str, float], known_s: Mapping[str, float], count: int
) -> list[Graph]:
    """The `count` kernels to measure next, given the seconds of measured ones by their keys.

    `fractions` is `Plan.fractions`. If the error of an anchor falls with the root of its number of kernels, that of a
    network is smallest where these numbers grow as (fraction x error)^(2/3). Anchors with fewer than `MIN_KERNELS` come
    first, beginning with the fewest, so that every kind can be predicted; then those with the largest numbers.
    """
    by_anchor: dict[str, list[KernelSpec]] = {}
    for spec in pool:
        by_anchor.setdefault(spec.anchor, []).append(spec)
    errors = {anchor: _errors(specs, known_s) for anchor, specs in by_anchor.items()}
    weights = {
        anchor: (fractions.get(anchor, 0.0) * (0.02 + float(np.sqrt((errors[anchor] ** 2).mean())))) ** (2 / 3)
        for anchor in by_anchor
    }
    known = {
        anchor: min(sum(spec.key in known_s for spec in specs), MIN_KERNELS) for anchor, specs in by_anchor.items()
    }
    weights |= {anchor: max(weights.values()) for anchor, number in known.items() if number < MIN_KERNELS}
    chosen: list[Graph] = []
    for anchor in sorted(by_anchor, key=lambda one: (-weights[one], known[one], -fractions.get(one, 0.0))):
        share = math.ceil(count * weights[anchor] / sum(weights.values()))
        chosen += _choose_of_anchor(by_anchor[anchor], known_s, errors[anchor], min(share, count - len(chosen)))
    return chosen


def _numbers(specs: Sequence[KernelSpec]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    light_kinds = sorted({kind for spec in specs for kind in spec.light_kinds})
    return np.array([features(spec, light_kinds) for spec in specs])


def _errors(specs: Sequence[KernelSpec], known_s: Mapping[str, float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Left-out error of a model on every measured kernel; 1 where there is no model yet."""
    known = [spec for spec in specs if spec.key in known_s]
    if len(known) < MIN_OPS_TO_FIT:
        return np.ones(max(len(known), 1))
    terms = np.array([roofline(spec) for spec in known])
    return fit_kind(terms, _numbers(known), np.array([known_s[spec.key] for spec in known])).errors


def _choose_of_anchor(
    specs: Sequence[KernelSpec],
    known_s: Mapping[str, float],
    errors: np.ndarray[tuple[int], np.dtype[np.float64]],
    count: int,
) -> list[Graph]:
    numbers = _numbers(specs)
    there = np.array([spec.key in known_s for spec in specs])
    free = [spec for spec, known in zip(specs, there, strict=True) if not known]
    if not free or count <= 0:
        return []
    known, pool = numbers[there], numbers[~there]
    order = select_batch(known, errors[: len(known)], pool, count)
    first = _with_new_light_kinds([spec for spec in specs if spec.key in known_s], free)
    return [free[place].timed for place in dict.fromkeys([*first, *order])][:count]


def _with_new_light_kinds(known: Iterable[KernelSpec], free: Sequence[KernelSpec]) -> Iterator[int]:
    """Places of kernels with light work that no other of their anchor has: without them it cannot be predicted."""
    covered = {kind for spec in known for kind in spec.light_kinds}
    for place, spec in enumerate(free):
        if spec.light_kinds - covered:
            covered |= spec.light_kinds
            yield place
