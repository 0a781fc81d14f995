"""Growing for long trainings: the smallest sub-network first for less long, and again among the others."""

from __future__ import annotations

import torch

from latkit.search.curricula.base import Sample, Stage, draw, draw_smallest
from latkit.search.curricula.growing import Growing
from latkit.spaces import Space

SMALLEST_PROBABILITY = 0.25
"""Of a step of the second stage, that it trains the smallest sub-network."""


class GrowingMixed(Growing):
    """As growing, with a brief first stage; later a quarter of the steps train the smallest sub-network again.

    They take half as long as others, at any resolution, and their weights are in all sub-networks. No step pays for
    the largest network, which the sandwich rule trains in each.
    """

    name = "growing-mixed"
    summary = "as growing, the first stage brief, later a quarter of the steps the smallest: for long trainings"
    smallest_share = 0.3
    """About .2 of the seconds."""
    smallest_schedule = 0.15
    default_epochs_factor = 4
    """So that it takes about as long as the sandwich rule, which trains four sub-networks in every step."""

    def samples(self, space: Space, stage: Stage, generator: torch.Generator) -> list[Sample]:
        """One sub-network."""
        if stage.name != "all":
            return super().samples(space, stage, generator)
        is_smallest = float(torch.rand((), generator=generator)) < SMALLEST_PROBABILITY
        return [Sample((draw_smallest if is_smallest else draw)(space, stage.options, generator))]


CURRICULUM = GrowingMixed()
