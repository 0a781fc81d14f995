"""The sandwich rule: the largest, the smallest and two others in every step (BigNAS, Yu et al. 2020, section 3.1)."""

from __future__ import annotations

import torch

from latkit.search.curricula.base import Curriculum, Sample, Stage, draw, every_option
from latkit.spaces import Space

DRAWN = 2
"""Sub-networks per step besides the largest and the smallest."""


class Sandwich(Curriculum):
    """In-place distillation: the largest learns from the labels, all others from its outputs in the same step.

    All resolutions are trained: the largest and the smallest network take the largest and the smallest images.
    """

    name = "sandwich"
    summary = "largest, smallest and two others per step, the largest teaches (BigNAS)"
    needs_order = True

    def stages(self, space: Space, epochs: int) -> tuple[Stage, ...]:
        """A single stage."""
        return (Stage(self.name, epochs, every_option(space), samples=DRAWN),)

    def samples(self, space: Space, stage: Stage, generator: torch.Generator) -> list[Sample]:
        """The largest comes first: the others learn from it."""
        smallest = tuple(options[0] for options in stage.options)
        largest = tuple(options[-1] for options in stage.options)
        drawn = [draw(space, stage.options, generator) for _ in range(stage.samples)]
        return [Sample(largest), *(Sample(one, "largest") for one in (*drawn, smallest))]


CURRICULUM = Sandwich()
