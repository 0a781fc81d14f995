"""Cells with ops on vertices: NAS-Bench-101 (Ying et al. 2019)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar

from latkit.errors import UsageError
from latkit.ops import INPUT, Network, Op
from latkit.spaces.base import Architecture, Choice
from latkit.spaces.cells.builder import NetworkBuilder
from latkit.spaces.cells.vertex_graph import VertexCell, benchmark_hash, canonical_cell, prune
from latkit.spaces.cells.vertex_network import OPS, append_cell, cell_ops
from latkit.spaces.parametric import MAX_CHANNELS, MAX_CLASSES, MAX_REPEATS, MAX_RESOLUTION, ParametricSpace

MAX_EDGES = 9
STACKS = 3
MAX_PATH = 3
"""Ops of the paths that are features: 40 paths, as in White et al. 2021, section 4."""


@dataclass(frozen=True)
class VertexCellSpace(ParametricSpace):
    """NAS-Bench-101: cells of up to `vertices` vertices and nine edges, with one of three ops on each inner vertex.

    An architecture has one choice per possible edge, row by row of the matrix, then the op of every inner vertex.
    Vertices on no path from the input to the output are left out, as the benchmark does.
    """

    name: str = "nasbench101"
    vertices: int = 7
    resolution: int = 32
    channels: int = 128
    """Of the first stack; each further stack has twice as many."""
    cells: int = 3
    """In each stack."""
    classes: int = 10

    format: ClassVar[str] = "latkit-vertex-cells-1"
    resolution_divisor: ClassVar[int] = 4
    ranges: ClassVar[dict[str, tuple[int, int]]] = {
        "vertices": (3, 7),
        "resolution": (8, MAX_RESOLUTION),
        "channels": (8, MAX_CHANNELS),
        "cells": (1, MAX_REPEATS),
        "classes": (2, MAX_CLASSES),
    }

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """Whether each edge is there, then the op of each vertex."""
        edges = (Choice(f"edge{one}to{other}", ("absent", "present")) for one, other in _pairs(self.vertices))
        return (*edges, *(Choice(f"op{vertex}", OPS) for vertex in range(1, self.vertices - 1)))

    def ops(self) -> tuple[Op, ...]:
        """The distinct ops that take time, of cells with any number of edges."""
        found = dict.fromkeys(self._network(VertexCell(((0, 1), (0, 0)), ()), "").ops)
        entry = self.channels
        for stack in range(STACKS):
            size, channels = self.resolution >> stack, self.channels << stack
            for taken in (entry, channels):
                found |= dict.fromkeys(cell_ops((taken, size, size), channels, self.vertices - 2))
            entry = channels
        return tuple(found)

    def check(self, architecture: Sequence[int]) -> Architecture:
        """The architecture, if input and output are connected, by at most nine edges. Raises UsageError."""
        checked = super().check(architecture)
        pruned = _pruned(self.vertices, checked)
        if pruned is None:
            raise UsageError(f"space {self.name}: expected a path from the input to the output, but found none")
        if pruned[0].edges > MAX_EDGES:
            raise UsageError(
                f"space {self.name}: expected at most {MAX_EDGES} edges on paths from input to output, "
                f"but found {pruned[0].edges}"
            )
        return checked

    def cell(self, architecture: Sequence[int]) -> VertexCell:
        """The pruned cell of an architecture. Raises UsageError as `check` does."""
        pruned = _pruned(self.vertices, self.check(architecture))
        assert pruned is not None
        return pruned[0]

    def encode(self, matrix: Sequence[Sequence[int]], ops: Sequence[int]) -> Architecture:
        """The canonical architecture of a matrix, with zeros on and below its diagonal, and the ops between its first
        and last vertex. Raises UsageError for a cell that is not of this space."""
        pruned = prune(matrix, ops)
        if pruned is None or not 2 <= pruned[0].vertices <= self.vertices:
            raise UsageError(
                f"space {self.name}: expected a cell of 2 to {self.vertices} vertices from input to output"
            )
        return self.check(_encoded(self.vertices, canonical_cell(pruned[0])))

    def hash(self, architecture: Sequence[int]) -> str:
        """The benchmark's key of an architecture: 32 hex digits. Raises UsageError as `check` does."""
        return benchmark_hash(self.cell(architecture))

    def decode(self, architecture: Sequence[int], name: str = "") -> Network:
        """The network of an architecture: that of its canonical form."""
        return self._network(_canonical(self.vertices, self.check(architecture))[1], name)

    def canonical(self, architecture: Sequence[int]) -> Architecture:
        """The representative of the architectures whose pruned cells are isomorphic; unused vertices come last."""
        return _canonical(self.vertices, self.check(architecture))[0]

    def neighbors(self, architecture: Sequence[int]) -> Iterator[Architecture]:
        """The valid architectures with another op or edge that changes the cell, and those with one more vertex.

        A vertex is added with an edge to it and one from it: no single choice adds one.
        """
        checked = self.check(architecture)
        pruned = _pruned(self.vertices, checked)
        for found in itertools.chain(super().neighbors(checked), _grown(self.vertices, checked)):
            if _pruned(self.vertices, found) != pruned and self._is_valid(found):
                yield found

    def features(self, architecture: Sequence[int]) -> tuple[float, ...]:
        """The canonical form, with 1 for the op of each used vertex, then one number per path of up to three ops."""
        return _features(self.vertices, self.canonical(architecture))

    def _is_valid(self, architecture: Sequence[int]) -> bool:
        pruned = _pruned(self.vertices, tuple(architecture))
        return pruned is not None and pruned[0].edges <= MAX_EDGES

    def _network(self, cell: VertexCell, name: str) -> Network:
        build = NetworkBuilder(self.input_shape)
        at = build.add("conv", INPUT, out_channels=self.channels, activation="relu")
        for stack in range(STACKS):
            if stack:
                at = build.add("pool", at, function="max", kernel=2, stride=2)
            for number in range(self.cells):
                if number < 2:  # the second has another number of input channels than the first
                    start = len(build.ops)
                    at = append_cell(build, at, cell, self.channels << stack)
                    stop = len(build.ops)
                else:
                    at = build.repeat(start, stop, at)
        at = build.add("pool", at)
        build.add("linear", at, out_features=self.classes)
        return build.network(name)


@lru_cache(maxsize=8)
def _pairs(vertices: int) -> tuple[tuple[int, int], ...]:
    """The possible edges, row by row."""
    return tuple(itertools.combinations(range(vertices), 2))


@lru_cache(maxsize=65536)
def _pruned(vertices: int, architecture: Architecture) -> tuple[VertexCell, tuple[int, ...]] | None:
    """The pruned cell, and its vertices in the architecture; None without a path."""
    matrix = [[0] * vertices for _ in range(vertices)]
    pairs = _pairs(vertices)
    for present, (one, other) in zip(architecture, pairs, strict=False):
        matrix[one][other] = present
    return prune(matrix, architecture[len(pairs) :])


def _encoded(vertices: int, cell: VertexCell) -> Architecture:
    """The architecture of a cell: unused vertices, with option 0 throughout, stand before the output."""
    place = [*range(cell.vertices - 1), vertices - 1]
    edges = {
        (place[one], place[other])
        for one, row in enumerate(cell.matrix)
        for other, present in enumerate(row)
        if present
    }
    unused = (0,) * (vertices - cell.vertices)
    return (*(int(pair in edges) for pair in _pairs(vertices)), *cell.ops, *unused)


@lru_cache(maxsize=65536)
def _canonical(vertices: int, architecture: Architecture) -> tuple[Architecture, VertexCell]:
    pruned = _pruned(vertices, architecture)
    assert pruned is not None
    cell = canonical_cell(pruned[0])
    return _encoded(vertices, cell), cell


@lru_cache(maxsize=16384)
def _features(vertices: int, canonical: Architecture) -> tuple[float, ...]:
    pruned = _pruned(vertices, canonical)
    assert pruned is not None
    cell, used = pruned
    edges = len(_pairs(vertices))
    ops = [
        float(vertex in used and canonical[edges + vertex - 1] == option)
        for vertex in range(1, vertices - 1)
        for option in range(len(OPS))
    ]
    taken = set(cell.paths())
    paths = [path for length in range(MAX_PATH + 1) for path in itertools.product(range(len(OPS)), repeat=length)]
    return (*map(float, canonical[:edges]), *ops, *(float(path in taken) for path in paths))


def _grown(vertices: int, architecture: Architecture) -> Iterator[Architecture]:
    """The architectures with the first unused vertex put between two used ones."""
    pruned = _pruned(vertices, architecture)
    assert pruned is not None
    used, pairs = pruned[1], _pairs(vertices)
    vertex = next((one for one in range(1, vertices - 1) if one not in used), None)
    if vertex is None:
        return
    before, after = [one for one in used if one < vertex], [one for one in used if one > vertex]
    for one, other, op in itertools.product(before, after, range(len(OPS))):
        found = list(architecture)
        for position, pair in enumerate(pairs):
            if vertex in pair:
                found[position] = int(pair in ((one, vertex), (vertex, other)))
        found[len(pairs) + vertex - 1] = op
        yield tuple(found)
