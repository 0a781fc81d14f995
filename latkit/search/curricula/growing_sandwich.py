"""Growing, then the sandwich rule: the best for a number of epochs, which cost 4 times those of other curricula."""

from __future__ import annotations

import torch

from latkit.search.curricula.base import (
    Curriculum,
    Sample,
    Stage,
    draw_smallest,
    every_option,
    share_epochs,
    smallest_stage,
)
from latkit.search.curricula.sandwich import CURRICULUM as SANDWICH
from latkit.spaces import Space

SMALLEST_SHARE = 0.3
"""Share of the epochs that train the smallest sub-network alone: about .04 of the seconds."""

SMALLEST_SCHEDULE = 0.3
"""The part of the rise and fall of the learning rate that these epochs have."""


class GrowingSandwich(Curriculum):
    """First always the smallest sub-network, which learns from the labels; then steps as the sandwich rule has them.

    The first stage is cheap, and its weights are in all others. The second trains four sub-networks on each batch;
    those besides the largest learn from its outputs and from the labels, which are right where it is not. The smallest
    one takes images of any resolution: small networks of large images are rarely drawn, and are otherwise the worst.
    The learning rate is one rise and one fall over both stages.
    """

    name = "growing-sandwich"
    summary = "the smallest sub-network first, then as sandwich: better for as many epochs, at 5 times the cost"
    needs_order = True

    def stages(self, space: Space, epochs: int) -> tuple[Stage, ...]:
        """Two stages; of a single epoch only the second."""
        if epochs == 1:
            return SANDWICH.stages(space, 1)
        smallest, rest = share_epochs(self.name, epochs, [SMALLEST_SHARE, 1 - SMALLEST_SHARE])
        (sandwich,) = SANDWICH.stages(space, rest)
        return (
            smallest_stage(space, smallest, SMALLEST_SCHEDULE),
            Stage("sandwich", rest, every_option(space), sandwich.samples, schedule=(SMALLEST_SCHEDULE, 1.0)),
        )

    def samples(self, space: Space, stage: Stage, generator: torch.Generator) -> list[Sample]:
        """Those of the sandwich rule in its stage, with labels, the smallest at a resolution drawn uniformly."""
        if stage.name != "sandwich":
            return super().samples(space, stage, generator)
        largest, *drawn, _ = SANDWICH.samples(space, stage, generator)
        smallest = draw_smallest(space, stage.options, generator)
        return [largest, *(Sample(one, "labels and largest") for one in (*(d.architecture for d in drawn), smallest))]


CURRICULUM = GrowingSandwich()
