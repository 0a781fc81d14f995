"""Records of a supernet's training: its recipe and its result."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from latkit.search.once_for_all.settings import SupernetSettings
from latkit.search.records.base import Record
from latkit.search.records.recipe import TrainingRecipe
from latkit.search.tasks import DEFAULT_TASK, TASKS, Metric

SUPERNET_FILES = {
    "recipe": "supernet.json",
    "checkpoint": "checkpoint.pt",
    "history": "history.json",
    "weights": "weights.safetensors",
    "space": "space.json",
    "result": "supernet-result.json",
    "tensorboard": "tensorboard",
}
"""Files in the folder of a trained supernet. Recipe and result have names of their own: it is no search."""


class SupernetRecipe(TrainingRecipe):
    """All inputs of a supernet's training. On one machine, equal recipes and versions give equal weights."""

    what: ClassVar[str] = "supernet"
    format: Literal["latkit-supernet-recipe-1"] = "latkit-supernet-recipe-1"
    curriculum: str
    settings: SupernetSettings

    @property
    def identity(self) -> dict[str, str | float]:
        """The fields that a checkpoint must share with the training that resumes from it."""
        return {
            "space": self.space,
            "space_key": self.space_key,
            "curriculum": self.curriculum,
            "sha256": self.content_hash,
        }


class Judged(Record):
    """A sub-network and its score: the task's metric, after its batch norm statistics were recalibrated."""

    architecture: tuple[int, ...]
    validation: float
    """On the training images that trained nothing."""
    test: float


class SupernetResult(Record):
    """The result of a supernet's training."""

    format: Literal["latkit-supernet-result-1"] = "latkit-supernet-result-1"
    name: str
    space: str
    curriculum: str
    task: str = DEFAULT_TASK
    smallest: Judged
    largest: Judged
    random: tuple[Judged, ...]
    """Sub-networks drawn uniformly."""
    seconds: dict[str, float] = Field(default_factory=dict)
    """Spent on each stage, without interruptions."""
    weights_sha256: str
    """Of the weights' file."""

    @property
    def metric(self) -> Metric:
        """The metric of the task."""
        return TASKS.get(self.task).metric

    @property
    def random_mean(self) -> float:
        """Mean test score of the sub-networks drawn uniformly."""
        return sum(one.test for one in self.random) / len(self.random)
