"""Uniform sampling: every step trains one sub-network, drawn uniformly (SPOS, Guo et al. 2020, section 3.2)."""

from __future__ import annotations

from latkit.search.curricula.base import Curriculum, Stage, every_option
from latkit.spaces import Space


class Uniform(Curriculum):
    """One sub-network per step, which learns from the labels."""

    name = "uniform"
    summary = "one sub-network per step, drawn uniformly (SPOS)"

    def stages(self, space: Space, epochs: int) -> tuple[Stage, ...]:
        """A single stage."""
        return (Stage(self.name, epochs, every_option(space)),)


CURRICULUM = Uniform()
