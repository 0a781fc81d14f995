"""DARTS's space: a normal and a reduction cell of four nodes, each the sum of two ops (Liu et al. 2019)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar

from latkit.errors import UsageError
from latkit.ops import Network, Op
from latkit.spaces.base import Architecture, Choice
from latkit.spaces.cells.darts_network import OPS, build_network
from latkit.spaces.parametric import MAX_CHANNELS, MAX_CLASSES, MAX_RESOLUTION, ParametricSpace

NODES = 4
"""Inner nodes of a cell; before them are the outputs of the two cells before it."""
PAIRS = tuple(tuple(itertools.combinations(range(node + 2), 2)) for node in range(NODES))
"""By node, the pairs of nodes that it may take its inputs from: 1, 3, 6, 10."""
CELLS = ("normal", "reduction")

Node = tuple[tuple[int, int], tuple[int, int]]
"""Source and op of both inputs, by rising source."""
Cell = tuple[Node, ...]


@dataclass(frozen=True)
class DartsSpace(ParametricSpace):
    """Every node has three choices: the pair of nodes before it, and an op for either.

    The first node has the two inputs of its cell, and two choices.
    """

    name: str = "darts"
    resolution: int = 32
    channels: int = 32
    """Of the first stage; a reduction doubles them."""
    cells: int = 8
    """In the network, of which those after each third are reductions."""
    classes: int = 10

    format: ClassVar[str] = "latkit-darts-cells-1"
    resolution_divisor: ClassVar[int] = 4
    ranges: ClassVar[dict[str, tuple[int, int]]] = {
        "resolution": (8, MAX_RESOLUTION),
        "channels": (2, MAX_CHANNELS),
        "cells": (3, 32),
        "classes": (2, MAX_CLASSES),
    }

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """For each cell and node: inputs where there are several pairs, then the op of the first and of the second."""
        found: list[Choice] = []
        for cell, node in itertools.product(CELLS, range(NODES)):
            pairs = tuple(f"{one}, {other}" for one, other in PAIRS[node])
            if len(pairs) > 1:
                found.append(Choice(f"{cell}.node{node + 1}.inputs", pairs))
            found += [Choice(f"{cell}.node{node + 1}.{which}_op", OPS) for which in ("first", "second")]
        return tuple(found)

    def ops(self) -> tuple[Op, ...]:
        """The distinct ops that take time: all ops on the inputs of cells and within them."""
        found: dict[Op, None] = {}
        for op, pair in itertools.product(range(len(OPS)), (0, -1)):
            cell = tuple(_node(PAIRS[node][pair], op, op) for node in range(NODES))
            found |= dict.fromkeys(self._network((cell, cell), "").ops)
        return tuple(found)

    def cell_pair(self, architecture: Sequence[int]) -> tuple[Cell, Cell]:
        """The normal and the reduction cell. Raises UsageError as `check` does."""
        return _cells(self.check(architecture))

    def encode(self, cells: Sequence[Sequence[tuple[int, int]]]) -> Architecture:
        """The canonical architecture of two cells, each eight pairs of source and op, two for each node in order.

        Sources are numbered from 0, the older input, on. Raises UsageError for cells that are not of this space.
        """
        found: list[int] = []
        if len(cells) != len(CELLS) or any(len(cell) != 2 * NODES for cell in cells):
            raise UsageError(f"space {self.name}: expected two cells of {2 * NODES} inputs each")
        for cell, node in itertools.product(cells, range(NODES)):
            (one, first), (other, second) = sorted(cell[2 * node : 2 * node + 2])
            if (one, other) not in PAIRS[node]:
                raise UsageError(
                    f"space {self.name}: expected two nodes before node {node + 1} as its inputs, "
                    f"but found {one} and {other}"
                )
            found += [PAIRS[node].index((one, other))] if node else []
            found += [first, second]
        return self.canonical(found)

    def decode(self, architecture: Sequence[int], name: str = "") -> Network:
        """The network of an architecture: that of its canonical form."""
        return self._network(_cells(self.canonical(architecture)), name)

    def canonical(self, architecture: Sequence[int]) -> Architecture:
        """The first of the architectures that have the same cells but for the order of nodes."""
        return _canonical(self.check(architecture))

    def features(self, architecture: Sequence[int]) -> tuple[float, ...]:
        """One number per cell, node, source and op, of the canonical form: whether the node has this input."""
        return _features(self.canonical(architecture))

    def _network(self, cells: tuple[Cell, Cell], name: str) -> Network:
        return build_network(self, cells, name)


def _node(pair: tuple[int, int], first: int, second: int) -> Node:
    return (pair[0], first), (pair[1], second)


@lru_cache(maxsize=16384)
def _cells(architecture: Architecture) -> tuple[Cell, Cell]:
    values = iter(architecture)
    cells: list[Cell] = []
    for _ in CELLS:
        nodes = []
        for node in range(NODES):
            pair = PAIRS[node][next(values) if node else 0]
            nodes.append(_node(pair, next(values), next(values)))
        cells.append(tuple(nodes))
    return cells[0], cells[1]


@lru_cache(maxsize=65536)
def _canonical(architecture: Architecture) -> Architecture:
    return tuple(value for cell in _cells(architecture) for value in min(_orders(cell)))


def _orders(cell: Cell) -> list[tuple[int, ...]]:
    """The cell's choices with its nodes in every order in which all come after their inputs."""
    found: list[tuple[int, ...]] = []
    for order in itertools.permutations(range(NODES)):
        place = [0, 1, *(2 + order.index(node) for node in range(NODES))]
        values: list[int] = []
        for at, node in enumerate(order):
            (one, first), (other, second) = sorted((place[source], op) for source, op in cell[node])
            if other >= at + 2:
                break
            values += [PAIRS[at].index((one, other))] if at else []
            values += [first, second]
        else:
            found.append(tuple(values))
    return found


@lru_cache(maxsize=16384)
def _features(canonical: Architecture) -> tuple[float, ...]:
    found: list[float] = []
    for cell in _cells(canonical):
        for node, inputs in enumerate(cell):
            found += [float((source, op) in inputs) for source in range(node + 2) for op in range(len(OPS))]
    return tuple(found)
