"""The protocol of a curriculum: in which order the sub-networks of a supernet are trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from latkit.errors import UsageError
from latkit.search.supernet.elastic.base import DIMENSIONS, dimension_of
from latkit.spaces import Architecture, Space

LearnsFrom = Literal["labels", "teacher", "largest", "labels and largest"]
"""From the labels; from labels and a frozen copy of the largest network; from the largest's outputs in this step; from
labels and these."""

Options = tuple[tuple[int, ...], ...]
"""For every choice of a space, the options that are drawn."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sub-network that a step trains."""

    architecture: Architecture
    learns_from: LearnsFrom = "labels"


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a curriculum, by default with a learning rate that rises and falls within it."""

    name: str
    epochs: int
    options: Options
    """What is drawn uniformly, choice by choice."""
    samples: int = 1
    """Sub-networks drawn for each step; their gradients are added up."""
    rate: float = 1.0
    """Factor of the settings' learning rate."""
    has_teacher: bool = False
    """Whether a frozen copy of the largest network, as it is when the stage begins, teaches."""
    sorts: bool = False
    """Whether channels are sorted by importance when the stage begins."""
    schedule: tuple[float, float] = (0.0, 1.0)
    """The part of the rise and fall of the learning rate that the stage has, where several stages share one."""


class Curriculum(ABC):
    """The order of training. It has no state: everything random is drawn from the generator it is given."""

    name: str
    summary: str
    """One line for people."""
    needs_order: bool = False
    """Whether it needs a space whose networks are parts of the largest one."""
    default_epochs_factor: int = 1
    """A training has this many times as many epochs, unless their number is given."""

    @abstractmethod
    def stages(self, space: Space, epochs: int) -> tuple[Stage, ...]:
        """The stages, whose epochs add up to `epochs`. Raises UsageError where they are too few."""

    def samples(self, space: Space, stage: Stage, generator: torch.Generator) -> list[Sample]:
        """The sub-networks of one step, in the order in which they run."""
        learns_from: LearnsFrom = "teacher" if stage.has_teacher else "labels"
        return [Sample(draw(space, stage.options, generator), learns_from) for _ in range(stage.samples)]


def draw(space: Space, options: Options, generator: torch.Generator) -> Architecture:
    """One architecture, each choice drawn uniformly from its options."""
    picked = [int(torch.randint(len(one), (1,), generator=generator)) for one in options]
    return space.check([one[index] for one, index in zip(options, picked, strict=True)])


def draw_smallest(space: Space, options: Options, generator: torch.Generator) -> Architecture:
    """The smallest network at a resolution drawn uniformly: small networks of large images are rarely drawn."""
    narrowed = tuple(
        one if dimension_of(choice.name) == "resolution" else one[:1]
        for choice, one in zip(space.choices, options, strict=True)
    )
    return draw(space, narrowed, generator)


def every_option(space: Space) -> Options:
    """All options of all choices."""
    return tuple(tuple(range(len(choice.options))) for choice in space.choices)


def last_options(space: Space, counts: dict[str, int]) -> Options:
    """The last options of every choice: as many as `counts` says of its dimension, one of the others."""
    found = []
    for choice in space.choices:
        total = len(choice.options)
        found.append(tuple(range(total - min(counts.get(dimension_of(choice.name), 1), total), total)))
    return tuple(found)


def option_counts(space: Space) -> dict[str, int]:
    """The largest number of options of each dimension that the space has, in the order of `DIMENSIONS`."""
    found: dict[str, int] = {}
    for dimension in DIMENSIONS:
        counts = [len(one.options) for one in space.choices if dimension_of(one.name) == dimension]
        if counts:
            found[dimension] = max(counts)
    return found


def share_epochs(name: str, epochs: int, fractions: Sequence[float]) -> list[int]:
    """Whole epochs, at least one each, in about these proportions. Raises UsageError where there are too few."""
    if epochs < len(fractions):
        raise UsageError(
            f"curriculum {name}: expected at least {len(fractions)} epochs, one for each of its stages, "
            f"but found {epochs}"
        )
    free = epochs - len(fractions)
    exact = [free * share / sum(fractions) for share in fractions]
    found = [1 + int(one) for one in exact]
    by_remainder = sorted(range(len(fractions)), key=lambda at: int(exact[at]) - exact[at])
    for at in by_remainder[: epochs - sum(found)]:
        found[at] += 1
    return found


def smallest_stage(space: Space, epochs: int, schedule_end: float) -> Stage:
    """A first stage that trains the smallest sub-network alone, up to that part of the learning rate's schedule."""
    return Stage("smallest", epochs, ((0,),) * len(space.choices), schedule=(0.0, schedule_end))
