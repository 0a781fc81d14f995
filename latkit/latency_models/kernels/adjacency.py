"""Savings between adjacent kernels: passing a tensor to the next kernel may cost less than running both alone.

A kernel measured alone reads its input and writes its output in the memory layout of the network's own input and
output. Between two kernels that both use another layout (as onnxruntime's convolutions do on x86) neither conversion
happens. Other neighbors cost more together than alone, such as those that a runtime fuses into something slower.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from latkit.graphs import Edge, Partition

Neighbors = tuple[str, str, bool]
"""Anchor of the producer, port of the consumer, and whether the tensor has other consumers."""

BREADTH = 1.5
"""Bandwidth, in powers of two of the tensor's size, of the similarity between two pairs."""

MAX_SAVED_SHARE = 0.9
"""Maximum share of both kernels' time that is saved."""


@dataclass(frozen=True, slots=True)
class PairTiming:
    """One pair of kernels, timed together and apart."""

    elements: int
    saved_s: float
    """Negative where both together cost more."""
    separate_s: float
    """Seconds of both, each alone."""

    def weight(self, elements: int) -> float:
        """Weight of this pair for a tensor of that size: a saving is lost in the noise of long kernels."""
        distance = np.log2(max(elements, 1) / max(self.elements, 1)) / BREADTH
        return float((self.elements / self.separate_s) ** 2 * np.exp(-(distance**2) / 2) + 1e-30)


Savings = Mapping[Neighbors, tuple[PairTiming, ...]]
"""All timed pairs."""


def group_pairs(pairs: Iterable[tuple[Neighbors, PairTiming]]) -> dict[Neighbors, tuple[PairTiming, ...]]:
    """Pairs by their neighbors."""
    found: dict[Neighbors, tuple[PairTiming, ...]] = {}
    for neighbors, timed in pairs:
        found[neighbors] = (*found.get(neighbors, ()), timed)
    return found


def saved_per_number(savings: Savings, neighbors: Neighbors, elements: int) -> float | None:
    """Seconds saved per element passed on, by the weighted median of pairs; None where no such pair was timed."""
    timed = savings.get(neighbors)
    if not timed:
        return None
    rates = np.array([pair.saved_s / max(pair.elements, 1) for pair in timed])
    weights = np.array([pair.weight(elements) for pair in timed])
    order = rates.argsort()
    heavy = weights[order].cumsum() / weights.sum()
    return float(rates[order][np.searchsorted(heavy, 0.5)])


def saved_by_edge(parts: Partition, savings: Savings) -> list[float]:
    """Seconds that every edge of a partition saves, in the order of its edges.

    Where a tensor has several consumers, each saves its own part; the producer's part is added once, where all
    consumers allow it.
    """
    rates = [_rates(parts, edge, savings) for edge in parts.edges]
    by_value: dict[int, list[int]] = {}
    for place, edge in enumerate(parts.edges):
        by_value.setdefault(edge.value, []).append(place)
    saved = [0.0] * len(parts.edges)
    for places in by_value.values():
        is_sole = len(places) == 1 and parts.edges[places[0]].consumers == 1
        elements = parts.edges[places[0]].elements
        producer_saving = 0.0
        if len(places) == parts.edges[places[0]].consumers and all(rates[place][0] > 0 for place in places):
            producer_saving = max(min(rates[place][0] - rates[place][1] for place in places), 0.0)
        for place in places:
            sole, shared = rates[place]
            saved[place] = elements * (sole if is_sole else shared + producer_saving / len(places))
    return saved


def _rates(parts: Partition, edge: Edge, savings: Savings) -> tuple[float, float]:
    """Savings per element of a pair with a single consumer, and with several."""
    producer, consumer = parts.kernels[edge.producer].anchor, parts.kernels[edge.consumer].anchor
    entry = edge.entry if {(producer, edge.entry, others) for others in (False, True)} & savings.keys() else consumer
    sole, shared = (saved_per_number(savings, (producer, entry, others), edge.elements) for others in (False, True))
    if sole is None:
        return (shared or 0.0,) * 2
    return sole, (max(sole, 0.0) / 2 if shared is None else shared)
