"""Growing, then the sandwich rule: for long trainings, in which every image is seen many times."""

from __future__ import annotations

import torch

from latkit.search.curricula.base import Curriculum, Sample, Stage, every_option, share_epochs
from latkit.search.curricula.sandwich import CURRICULUM as SANDWICH
from latkit.spaces import Space

SMALLEST_SHARE = 0.2
"""Share of the epochs that train the smallest sub-network alone."""


class GrowingSandwich(Curriculum):
    """First always the smallest sub-network, which learns from the labels; then steps as the sandwich rule has them.

    The first stage costs a few percent of the seconds, and its weights are in all others. The second trains four
    sub-networks on each batch, so that an epoch is worth several of `growing`. The learning rate is one rise and one
    fall over both stages.
    """

    name = "growing-sandwich"
    summary = "the smallest sub-network first, then as sandwich: the best for as many epochs, at several times the cost"
    needs_order = True

    def stages(self, space: Space, epochs: int) -> tuple[Stage, ...]:
        """Two stages; of a single epoch only the second."""
        if epochs == 1:
            return SANDWICH.stages(space, 1)
        smallest, rest = share_epochs(self.name, epochs, [SMALLEST_SHARE, 1 - SMALLEST_SHARE])
        (sandwich,) = SANDWICH.stages(space, rest)
        return (
            Stage("smallest", smallest, ((0,),) * len(space.choices), schedule=(0.0, smallest / epochs)),
            Stage("sandwich", rest, every_option(space), sandwich.samples, schedule=(smallest / epochs, 1.0)),
        )

    def samples(self, space: Space, stage: Stage, generator: torch.Generator) -> list[Sample]:
        """Those of the sandwich rule in its stage."""
        if stage.name == "sandwich":
            return SANDWICH.samples(space, stage, generator)
        return super().samples(space, stage, generator)


CURRICULUM = GrowingSandwich()
