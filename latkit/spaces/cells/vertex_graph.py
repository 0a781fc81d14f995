"""Cells with ops on vertices (Ying et al. 2019): pruning, the benchmark's hash, and a canonical order."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Matrix = tuple[tuple[int, ...], ...]
"""1 where an edge leads from the row's vertex to the column's; zeros on and below the diagonal."""

INPUT_LABEL, OUTPUT_LABEL = -1, -2


@dataclass(frozen=True, slots=True)
class VertexCell:
    """A directed acyclic graph whose first vertex is the input and whose last is the output."""

    matrix: Matrix
    ops: tuple[int, ...]
    """Of every vertex between the input and the output."""

    @property
    def vertices(self) -> int:
        """Number of vertices, input and output included."""
        return len(self.matrix)

    @property
    def edges(self) -> int:
        """Number of edges."""
        return sum(map(sum, self.matrix))

    @property
    def labels(self) -> tuple[int, ...]:
        """The op of every vertex, with labels of input and output."""
        return (INPUT_LABEL, *self.ops, OUTPUT_LABEL)

    def paths(self) -> Iterator[tuple[int, ...]]:
        """The ops of every path from the input to the output."""
        last = self.vertices - 1
        stack: list[tuple[int, tuple[int, ...]]] = [(0, ())]
        while stack:
            vertex, ops = stack.pop()
            after = (one for one in range(vertex + 1, last) if self.matrix[vertex][one])
            stack.extend((one, (*ops, self.ops[one - 1])) for one in after)
            if self.matrix[vertex][last]:
                yield ops


def prune(matrix: Sequence[Sequence[int]], ops: Sequence[int]) -> tuple[VertexCell, tuple[int, ...]] | None:
    """The cell without vertices on no path from input to output, and the vertices kept; None if there is no path."""
    last = len(matrix) - 1
    reached, reaching = {0}, {last}
    for vertex in range(1, last + 1):
        if any(matrix[before][vertex] for before in reached):
            reached.add(vertex)
    for vertex in range(last - 1, -1, -1):
        if any(matrix[vertex][after] for after in reaching):
            reaching.add(vertex)
    if last not in reached:
        return None
    used = tuple(sorted(reached & reaching))
    smaller = tuple(tuple(matrix[one][other] for other in used) for one in used)
    return VertexCell(smaller, tuple(ops[vertex - 1] for vertex in used[1:-1])), used


def benchmark_hash(cell: VertexCell) -> str:
    """The key of a pruned cell in NAS-Bench-101 (`graph_util.hash_module`)."""
    before, after = _neighbors(cell)
    count = range(cell.vertices)
    hashes = [_md5(str((len(after[v]), len(before[v]), cell.labels[v]))) for v in count]
    for _ in count:
        hashes = [
            _md5(
                f"{''.join(sorted([hashes[w] for w in before[v]]))}|{''.join(sorted([hashes[w] for w in after[v]]))}"
                f"|{hashes[v]}"
            )
            for v in count
        ]
    return _md5(str(sorted(hashes)))


def canonical_cell(cell: VertexCell) -> VertexCell:
    """The representative of the cells that are isomorphic to this one.

    Vertices are ordered by their depth and by a color that follows from the colors of their neighbors (Weisfeiler and
    Leman 1968); among orders that these leave open, the smallest matrix is taken.
    """
    if cell.vertices <= 3:
        return cell
    groups: dict[tuple[int, int], list[int]] = {}
    for vertex, (depth, color) in enumerate(zip(_depths(cell), _colors(cell), strict=True)):
        if 0 < vertex < cell.vertices - 1:
            groups.setdefault((depth, color), []).append(vertex)
    ordered = [groups[key] for key in sorted(groups)]
    orders = itertools.product(*map(itertools.permutations, ordered))
    return min((_reorder(cell, [v for group in order for v in group]) for order in orders), key=lambda one: one.matrix)


def _neighbors(cell: VertexCell) -> tuple[list[list[int]], list[list[int]]]:
    """The vertices before and after each."""
    count = range(cell.vertices)
    after = [[w for w in count if cell.matrix[v][w]] for v in count]
    return [[w for w in count if cell.matrix[w][v]] for v in count], after


def _depths(cell: VertexCell) -> list[int]:
    """Edges of the longest path from the input to each vertex."""
    before, _ = _neighbors(cell)
    depths: list[int] = []
    for vertex in range(cell.vertices):
        depths.append(max((depths[one] + 1 for one in before[vertex]), default=0))
    return depths


def _colors(cell: VertexCell) -> list[int]:
    """Colors that isomorphic vertices share; the same for isomorphic cells."""
    before, after = _neighbors(cell)
    colors = list(cell.labels)
    for _ in range(cell.vertices):
        found = [
            (colors[v], tuple(sorted([colors[w] for w in before[v]])), tuple(sorted([colors[w] for w in after[v]])))
            for v in range(cell.vertices)
        ]
        ranks = {color: rank for rank, color in enumerate(sorted(set(found)))}
        refined = [ranks[color] for color in found]
        if len(set(refined)) == len(set(colors)) and refined == colors:
            break
        colors = refined
    return colors


def _reorder(cell: VertexCell, interior: Sequence[int]) -> VertexCell:
    order = (0, *interior, cell.vertices - 1)
    matrix = tuple(tuple(cell.matrix[one][other] for other in order) for one in order)
    return VertexCell(matrix, tuple(cell.ops[vertex - 1] for vertex in interior))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
