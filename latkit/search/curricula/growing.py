"""Growing: cheap sub-networks first, then all (as images grow in EfficientNetV2, Tan & Le 2021, section 4)."""

from __future__ import annotations

from latkit.search.curricula.base import Curriculum, Stage, every_option, first_options, share_epochs
from latkit.spaces import Space

CHEAP_SHARE = 0.5
"""Share of the epochs that train cheap sub-networks: less of the seconds."""

SMALLEST = ("resolution", "depth")
"""Dimensions that begin at their first option: they decide what a step costs, and their weights are the same."""


class Growing(Curriculum):
    """One sub-network per step, which learns from the labels: first of the lowest resolution and depth, then of all.

    Kernels, expansions and widths are drawn uniformly in both stages. The learning rate is one rise and one fall over
    both. Steps at the lowest resolution and depth take less time (0.7 of it for images of 12 and 16 px), so there are
    more of them in the same seconds, and later blocks begin as identities.
    """

    name = "growing"
    summary = "one sub-network per step, first of the lowest resolution and depth, then of all"

    def stages(self, space: Space, epochs: int) -> tuple[Stage, ...]:
        """Two stages; of a single epoch only the second."""
        if epochs == 1:
            return (Stage("all", 1, every_option(space)),)
        cheap, rest = share_epochs(self.name, epochs, [CHEAP_SHARE, 1 - CHEAP_SHARE])
        part = cheap / epochs
        return (
            Stage("cheap", cheap, first_options(space, SMALLEST), schedule=(0.0, part)),
            Stage("all", rest, every_option(space), schedule=(part, 1.0)),
        )


CURRICULUM = Growing()
