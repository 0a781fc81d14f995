"""most-ghosts: judges the networks of `ghost-tiny` by how many ghost modules they have."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.search.evaluators import Evaluator, EvaluatorFactory, Verdict
from latkit.spaces import Space
from latkit.spaces.base import Architecture
from latkit_ghost.space import ghost_tiny


class GhostCount(Evaluator):
    """The number of ghost modules, and MACs."""

    name = "most-ghosts"
    quantities = ("ghosts", "macs")

    def __init__(self, space: Space) -> None:
        self.space = space

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        """One verdict per architecture."""
        self.effort_index(effort)
        networks = [self.space.decode(one) for one in architectures]
        counts = [sum(op.kind == "ghost" for op in network.ops) for network in networks]
        return [
            Verdict({"ghosts": float(ghosts), "macs": float(network.macs)}, {"evaluations": 1.0})
            for ghosts, network in zip(counts, networks, strict=True)
        ]


def _build(_folder: object) -> tuple[Space, Evaluator]:
    space = ghost_tiny()
    return space, GhostCount(space)


MOST_GHOSTS = EvaluatorFactory("most-ghosts", "the number of ghost modules of ghost-tiny", _build)
