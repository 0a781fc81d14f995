"""NAS-Bench-201 (Dong & Yang 2020): cells of six edges between four nodes, and the parts of a cell that may cost time.

Runtimes differ in the edges they run. Some run every edge; a compiler drops edges whose result is never used, and folds
those whose input is always zero. Each reading of a cell is a part of the prior; the measurements show which holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latkit._io.arrays import Floats
from latkit.errors import UsageError
from latkit.latency_models.transfer.prior import Prior, scaled, shared_features, standardize

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""Source and destination node, in the order of the architecture's string; node 0 is the input, node 3 the output."""

Cells = NDArray[np.intp]
EdgeMask = NDArray[np.bool_]

WEIGHTINGS = (
    # known devices; counts of ops: all, to output, from input, both; sums; ops by edge: all, to output, other readings
    (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    (1.0, 0.03, 0.003, 0.003, 0.003, 0.003, 0.003, 0.0, 0.0),
    (1.0, 0.1, 0.01, 0.01, 0.01, 0.01, 0.01, 0.003, 0.003),
    (1.0, 0.3, 0.1, 0.1, 0.1, 0.03, 0.03, 0.01, 0.01),
    (0.1, 0.01, 1.0, 0.01, 0.01, 0.03, 0.003, 0.01, 0.0),
    (0.3, 0.1, 1.0, 0.1, 0.1, 0.1, 0.01, 0.03, 0.01),
    (0.1, 0.01, 0.01, 0.01, 1.0, 0.03, 0.003, 0.0, 0.01),
    (0.1, 0.01, 0.01, 1.0, 0.01, 0.03, 0.003, 0.0, 0.01),
    (0.3, 1.0, 1.0, 0.3, 0.3, 0.1, 0.1, 0.1, 0.03),
)
SPREADS = (0.15, 0.25, 0.4, 0.6)
NOISES = (0.01, 0.03, 0.1)


def parse_cells(architectures: Sequence[str]) -> Cells:
    """Architecture strings as indices into OPS by edge, shape (architectures, 6). Raises UsageError."""
    try:
        return np.array([[OPS.index(string.split("~")[0]) for string in _op_strings(text)] for text in architectures])
    except ValueError as error:
        raise UsageError(f"expected NAS-Bench-201 architectures such as |none~0|+..., but found: {error}") from error


def _op_strings(architecture: str) -> list[str]:
    strings = [string for node in architecture.split("+") for string in node.strip("|").split("|")]
    if len(strings) != len(EDGES):
        raise ValueError(f"{len(strings)} edges in {architecture!r}")
    return strings


def prior(cells: Cells, known: Sequence[Floats]) -> Prior:
    """The prior of a new device: `known` has the latencies on each known one, shape (cells, entries)."""
    carries = cells != 0
    to_output, from_input = _reach(carries)
    readings = [carries, carries & to_output, carries & from_input, carries & to_output & from_input]
    counts = [_by_edge(cells, reading).sum(axis=1) for reading in readings]
    edges = [_by_edge(cells, reading).reshape(len(cells), -1) for reading in readings]
    sums = np.column_stack([*map(_sums, readings), readings[3].any(axis=1)])
    squares = [_products(counts[0]), _products(counts[3])]
    rich = np.column_stack([*edges, sums, *squares])
    parts = [shared_features(rich, known), *map(standardize, [*counts, sums, *edges[:2], np.column_stack(edges[2:])])]
    return Prior(np.ones(len(cells)), tuple(map(scaled, parts)), WEIGHTINGS, SPREADS, NOISES)


def _reach(carries: EdgeMask) -> tuple[EdgeMask, EdgeMask]:
    """Whether each edge's end reaches the output, and whether the input reaches its start, shape (cells, 6) each."""
    reached, reaching = np.zeros((2, len(carries), 4), bool)
    reached[:, 0] = reaching[:, 3] = True
    for edge, (start, end) in enumerate(EDGES):
        reached[:, end] |= reached[:, start] & carries[:, edge]
    for edge, (start, end) in reversed(list(enumerate(EDGES))):
        reaching[:, start] |= reaching[:, end] & carries[:, edge]
    return reaching[:, [end for _, end in EDGES]], reached[:, [start for start, _ in EDGES]]


def _by_edge(cells: Cells, reading: EdgeMask) -> Floats:
    """Which op runs on which edge as 0 or 1, shape (cells, 6, 4); an edge that does not run has none."""
    return np.eye(len(OPS))[np.where(reading, cells, 0)][:, :, 1:]


def _sums(reading: EdgeMask) -> Floats:
    """Number of inputs summed at each inner node and at the output, shape (cells, 3)."""
    entering = [sum(reading[:, edge] * 1.0 for edge, (_, end) in enumerate(EDGES) if end == node) for node in (1, 2, 3)]
    return np.maximum(np.column_stack(entering) - 1.0, 0.0)


def _products(counts: Floats) -> Floats:
    """Products of every two counts, shape (cells, 10)."""
    first, second = np.triu_indices(counts.shape[1])
    return counts[:, first] * counts[:, second]
