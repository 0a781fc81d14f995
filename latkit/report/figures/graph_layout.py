"""Where the ops of a network with branches stand in a picture: levels from left to right, lanes from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Position = tuple[int, int]
"""Level and lane."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A connection from one op to another, through the free places of the levels between them."""

    source: int
    """The op that gives the output; -1 for the network's input."""
    target: int
    through: tuple[Position, ...]


@dataclass(frozen=True, slots=True)
class GraphLayout:
    """The places of all ops and the routes of all edges. A chain has one lane, and every op a level of its own."""

    places: tuple[Position, ...]
    edges: tuple[Edge, ...]

    @property
    def lanes(self) -> int:
        """Number of lanes."""
        return 1 + max(lane for _, lane in [*self.places, *(spot for edge in self.edges for spot in edge.through)])

    @property
    def levels(self) -> int:
        """Number of levels."""
        return 1 + max(level for level, _ in self.places)


def lay_out(inputs: Sequence[Sequence[int]]) -> GraphLayout:
    """Layout of ops by their inputs, in which -1 is the network's input; each op stands after its inputs.

    An op stands one level after the last of its inputs, in the lane of its first one if that is free. An output that is
    used again later keeps a lane through the levels between, so that no edge crosses an op.
    """
    levels = _levels(inputs)
    last_use: dict[int, int] = {}
    for index, taken in enumerate(inputs):
        last_use |= {source: max(levels[index], last_use.get(source, 0)) for source in taken}
    lane_of: dict[tuple[int, int], int] = {(-1, -1): 0}  # by op and level: its own, and those that its output passes
    for level in range(max(levels) + 1):
        free = _Lanes()
        for index in (i for i, its_level in enumerate(levels) if its_level == level):
            source = inputs[index][0] if inputs[index] else -1
            lane_of[index, level] = free.take(lane_of.get((source, level - 1), 0))
        for source in sorted(last_use):
            if _level_of(levels, source) < level < last_use[source]:
                lane_of[source, level] = free.take(lane_of[source, level - 1])
    edges = [
        Edge(source, target, tuple((level, lane_of[source, level]) for level in _between(levels, source, target)))
        for target, taken in enumerate(inputs)
        for source in dict.fromkeys(taken)
    ]
    return GraphLayout(tuple((level, lane_of[i, level]) for i, level in enumerate(levels)), tuple(edges))


class _Lanes:
    """The lanes of one level, each taken once."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self, preferred: int) -> int:
        """The free lane nearest to the wanted one."""
        free = (lane for lane in range(len(self._taken) + preferred + 1) if lane not in self._taken)
        lane = min(free, key=lambda lane: (abs(lane - preferred), lane))
        self._taken.add(lane)
        return lane


def _levels(inputs: Sequence[Sequence[int]]) -> list[int]:
    levels: list[int] = []
    for taken in inputs:
        levels.append(1 + max((_level_of(levels, source) for source in taken), default=-1))
    return levels


def _level_of(levels: Sequence[int], source: int) -> int:
    return levels[source] if source >= 0 else -1


def _between(levels: Sequence[int], source: int, target: int) -> range:
    return range(_level_of(levels, source) + 1, levels[target])
