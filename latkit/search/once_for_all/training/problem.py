"""The inputs of a supernet's training as one record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch

from latkit.search.curricula import CURRICULA, DEFAULT_CURRICULUM, Curriculum
from latkit.search.data import DataSplit, ImageSet, subset
from latkit.search.once_for_all.records import SupernetRecipe
from latkit.search.once_for_all.settings import SupernetSettings
from latkit.search.records.provenance import machine, versions
from latkit.search.records.recipe import DataFacts
from latkit.search.tasks import TASKS, Task
from latkit.spaces import Space


@dataclass(frozen=True)
class SupernetProblem:
    """All inputs of a supernet's training; see `train_supernet`."""

    space: Space
    data: DataSplit
    """At the largest resolution of the space."""
    settings: SupernetSettings
    curriculum_name: str = DEFAULT_CURRICULUM

    @property
    def curriculum(self) -> Curriculum:
        """The curriculum of that name. Raises UsageError for an unknown one."""
        return CURRICULA.get(self.curriculum_name)

    @property
    def task(self) -> Task:
        """The task that the settings name. Raises UsageError for an unknown one."""
        return TASKS.get(self.settings.task)

    @cached_property
    def parts(self) -> TrainingParts:
        """The images that train, and those that judge."""
        return split_validation(self.data, self.settings.validation_share, self.settings.seed)

    def recipe(self) -> SupernetRecipe:
        """The recipe in the current environment."""
        return SupernetRecipe(
            space=self.space.name,
            space_key=self.space.key,
            curriculum=self.curriculum_name,
            data=DataFacts.of(self.data),
            settings=self.settings,
            versions=versions(),
            machine=machine(self.settings.threads),
        )


@dataclass(frozen=True, slots=True)
class TrainingParts:
    """A split whose training images are divided once more."""

    data: DataSplit
    """Its training images train the weights."""
    validation: ImageSet
    """The others, which train nothing."""


def split_validation(data: DataSplit, share: float, seed: int) -> TrainingParts:
    """Set a share of the training images aside, drawn at random; one at least."""
    count = len(data.train.labels)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    unseen = min(max(round(count * share), 1), count - 1)
    trained = replace(data, train=subset(data.train, order[unseen:].sort().values))
    return TrainingParts(trained, subset(data.train, order[:unseen].sort().values))
