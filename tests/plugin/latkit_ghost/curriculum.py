"""pairs: every step trains two sub-networks, drawn uniformly."""

from __future__ import annotations

from latkit.search.curricula.base import Curriculum, Stage, every_option
from latkit.spaces import Space


class Pairs(Curriculum):
    """Two sub-networks per step, which learn from the labels."""

    name = "pairs"
    summary = "two sub-networks per step, drawn uniformly"

    def stages(self, space: Space, epochs: int) -> tuple[Stage, ...]:
        """A single stage."""
        return (Stage(self.name, epochs, every_option(space), samples=2),)


PAIRS = Pairs()
