"""What to measure so that foreign networks can be predicted: kernels, pairs of neighbours, and a few whole networks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latkit.graphs import Graph, Rule, cut, networks
from latkit.models.kernels.features import Piece, features, pieces_of, roofline
from latkit.models.kernels.savings import Neighbours
from latkit.models.sampling import choose
from latkit.models.trees import MIN_OPS_TO_FIT, fit_kind

NETWORKS = 96
"""So many networks are drawn to take kernels from."""

LARGEST_MACS = 1_200_000_000
"""Larger ones are left out: a network of today has kernels of this size at most, and time is better spent."""

PAIRS = 3
"""So many pairs of sizes far apart are measured for every two kinds of neighbours."""


def drawn_networks() -> list[Graph]:
    """The networks that kernels are taken from: the same ones for everybody."""
    return [network for network in itertools.islice(networks(), NETWORKS) if network.macs < LARGEST_MACS]


@dataclass(frozen=True, slots=True)
class Plan:
    """What may be measured, by the rules of a target."""

    kernels: tuple[Piece, ...]
    """All distinct kernels, to choose from."""
    pairs: tuple[Graph, ...]
    needed: tuple[Graph, ...]
    """The kernels that the pairs consist of."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two neighbours together, and each alone."""

    macs: int
    both: Graph
    giver: Graph
    taker: Graph


def plan(drawn: Iterable[Graph], rules: Collection[Rule]) -> Plan:
    """Everything that networks consist of, cut by the rules of a target."""
    kernels: dict[str, Piece] = {}
    neighbours: dict[Neighbours, dict[int, _Pair]] = {}
    for network in drawn:
        parts = cut(network, rules)
        pieces = pieces_of(parts)
        kernels |= {piece.key: piece for piece in pieces}
        for edge in parts.edges:
            giver, taker = pieces[edge.giver], pieces[edge.taker]
            by_size = neighbours.setdefault((giver.anchor, edge.entry, edge.takers > 1), {})
            macs = giver.macs + taker.macs
            # What is saved is lost in the noise of long kernels: of pairs of one size, the one of least work is timed.
            if edge.elements not in by_size or macs < by_size[edge.elements].macs:
                by_size[edge.elements] = _Pair(macs, parts.pair_graph(edge), giver.graph, taker.graph)
    chosen = [pair for by_size in neighbours.values() for pair in _far_apart(by_size, rules)]
    needed = dict.fromkeys(graph for pair in chosen for graph in (pair.giver, pair.taker))
    return Plan(tuple(kernels.values()), tuple(dict.fromkeys(pair.both for pair in chosen)), tuple(needed))


def _far_apart(by_size: Mapping[int, _Pair], rules: Collection[Rule]) -> list[_Pair]:
    """A small, a middling and a larger pair, of those that stay two kernels on their own."""
    sizes = sorted(by_size)
    places = {(len(sizes) - 1) * share // (PAIRS + 1) for share in range(1, PAIRS + 1)}
    found = [by_size[sizes[place]] for place in sorted(places)]
    return [pair for pair in found if len(cut(pair.both, rules).kernels) == 2]


def choose_kernels(pool: Sequence[Piece], known_s: Mapping[str, float], count: int) -> list[Graph]:
    """The `count` kernels to measure next, given the seconds of those measured, by their keys.

    An anchor's share grows with the root of how many kernels it has in the pool, and with how far a model of it is off.
    """
    by_anchor: dict[str, list[Piece]] = {}
    for piece in pool:
        by_anchor.setdefault(piece.anchor, []).append(piece)
    errors = {anchor: _errors(pieces, known_s) for anchor, pieces in by_anchor.items()}
    weights = {
        anchor: math.sqrt(len(pieces)) * (0.02 + float(np.sqrt((errors[anchor] ** 2).mean())))
        for anchor, pieces in by_anchor.items()
    }
    chosen: list[Graph] = []
    for anchor, pieces in sorted(by_anchor.items(), key=lambda item: weights[item[0]]):
        share = math.ceil(count * weights[anchor] / sum(weights.values()))
        chosen += _choose_of_anchor(pieces, known_s, errors[anchor], min(share, count - len(chosen)))
    return chosen


def _numbers(pieces: Sequence[Piece]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    light_kinds = sorted({kind for piece in pieces for kind in piece.light_kinds})
    return np.array([features(piece, light_kinds) for piece in pieces])


def _errors(pieces: Sequence[Piece], known_s: Mapping[str, float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How far a model is off on every measured kernel when it is left out; 1 where there is no model yet."""
    known = [piece for piece in pieces if piece.key in known_s]
    if len(known) < MIN_OPS_TO_FIT:
        return np.ones(max(len(known), 1))
    terms = np.array([roofline(piece) for piece in known])
    return fit_kind(terms, _numbers(known), np.array([known_s[piece.key] for piece in known])).errors


def _choose_of_anchor(
    pieces: Sequence[Piece],
    known_s: Mapping[str, float],
    errors: np.ndarray[tuple[int], np.dtype[np.float64]],
    count: int,
) -> list[Graph]:
    numbers = _numbers(pieces)
    there = np.array([piece.key in known_s for piece in pieces])
    free = [piece for piece, known in zip(pieces, there, strict=True) if not known]
    if not free or count <= 0:
        return []
    known = numbers[there]
    return [free[place].graph for place in choose(known, errors[: len(known)], numbers[~there], count)]
