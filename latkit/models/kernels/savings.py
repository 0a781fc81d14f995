"""What neighbours save: a tensor that one kernel hands to the next costs less than if each were alone.

A kernel measured alone reads its input and writes its output in the order that the network's own input and output have.
Between two kernels that both work in another order (as onnxruntime's convolutions do on x86) neither conversion
happens; other neighbours lose something instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latkit.graphs import Cut

Neighbours = tuple[str, str]
"""The kernel that hands a tensor on, and the one that takes it, by their anchors."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One pair that was timed together and apart."""

    neighbours: Neighbours
    elements: int
    saved_s: float
    alone_s: float
    """Of both together, were each alone."""


def learn_savings(pairs: Iterable[Seen]) -> dict[Neighbours, float]:
    """Seconds saved per number handed on, by neighbours: the median over their pairs, each as heavy as its tensor.

    Negative where neighbours cost more than alone.
    """
    by_neighbours: dict[Neighbours, list[Seen]] = {}
    for pair in pairs:
        by_neighbours.setdefault(pair.neighbours, []).append(pair)
    return {neighbours: _rate(seen) for neighbours, seen in by_neighbours.items()}


def _rate(seen: Sequence[Seen]) -> float:
    rates = np.array([pair.saved_s / pair.elements for pair in seen])
    weights = np.array([pair.elements for pair in seen], dtype=np.float64)
    order = rates.argsort()
    heavy = weights[order].cumsum() / weights.sum()
    return float(rates[order][np.searchsorted(heavy, 0.5)])


def saved_by_edge(pieces: Cut, rates: Mapping[Neighbours, float]) -> list[float]:
    """Seconds that every edge of a cut saves, in the order of its edges.

    Half of a pair's saving is the giver's, which writes once however many take it, and saves only where all of them
    do; the other half is the taker's.
    """
    kinds = [(pieces.kernels[e.giver].anchor, pieces.kernels[e.taker].anchor) for e in pieces.edges]
    rate = [rates.get(pair, 0.0) for pair in kinds]
    saving_takers: dict[int, int] = {}
    for edge, per_element in zip(pieces.edges, rate, strict=True):
        saving_takers[edge.value] = saving_takers.get(edge.value, 0) + (per_element > 0)
    saved = []
    for edge, per_element in zip(pieces.edges, rate, strict=True):
        if per_element <= 0 or edge.takers == 1:
            share = 1.0
        else:
            share = 0.5 + (0.5 / edge.takers if saving_takers[edge.value] == edge.takers else 0.0)
        saved.append(share * per_element * edge.elements)
    return saved
