"""Evaluation by training: an architecture is trained from scratch, and judged on images that trained nothing."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence

import torch

from latkit.progress import Silent
from latkit.search.data import DataSplit, subset
from latkit.search.evaluators.base import Evaluator, Range
from latkit.search.evaluators.verdict import Verdict
from latkit.search.gradient.factory import fresh_module
from latkit.search.gradient.settings import SearchSettings
from latkit.search.preflight import check_data
from latkit.search.supernet.weight_trainer import evaluate
from latkit.search.tasks import TASKS
from latkit.search.training.runtime_env import exact, fabric_of, threads
from latkit.search.training.trainer import Checkpointer, run_phase
from latkit.search.training.training_phase import TrainingPhase
from latkit.spaces.base import Architecture, Space

VALIDATION_SHARE = 0.2
"""Share of the training images that judge, and train nothing; the test images judge the search alone."""


class TrainedEvaluator(Evaluator):
    """The metric of the task after some epochs on the training images.

    Initial weights, images and their order are the same for all architectures. It computes by one thread unless the
    settings say otherwise, so that several processes share the cores, and their number changes no result.
    """

    def __init__(self, space: Space, data: DataSplit, settings: SearchSettings, epochs: Sequence[int]) -> None:
        """`epochs`: the efforts, rising. Raises UsageError where space and images do not fit."""
        check_data(space, data, TASKS.get(settings.task))
        self.space, self.efforts = space, tuple(float(one) for one in sorted(set(epochs)))
        self.settings = settings.model_copy(update={"threads": settings.threads or 1, "evaluation_epochs": 0})
        count = len(data.train.labels)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(settings.seed))
        held_out = max(int(count * VALIDATION_SHARE), 1)
        train, validation = (
            subset(data.train, indices.sort().values) for indices in (order[held_out:], order[:held_out])
        )
        self.data = dataclasses.replace(data, train=train, test=validation)
        self.name = f"trained-{data.name}-{data.sha256[:12]}"

    @property
    def quantities(self) -> tuple[str, ...]:
        """The metric of the task."""
        return (TASKS.get(self.settings.task).metric.name,)

    @property
    def ranges(self) -> Mapping[str, Range]:
        """That of the metric."""
        metric = TASKS.get(self.settings.task).metric
        return {metric.name: (metric.lowest, metric.highest)}

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        """One verdict per architecture; each costs one evaluation, its epochs and its seconds."""
        self.effort_index(effort)
        epochs = int(effort or self.efforts[-1])
        return [self._verdict(one, epochs) for one in architectures]

    def _verdict(self, architecture: Architecture, epochs: int) -> Verdict:
        began = time.monotonic()
        settings = self.settings.model_copy(update={"training_epochs": epochs})
        fabric = fabric_of(settings)
        with threads(settings.threads), exact(settings.deterministic, fabric.device):
            module = fresh_module(self.space.decode(architecture), settings, fabric)
            training = TrainingPhase(module, self.data, settings, fabric)
            checkpointer = Checkpointer(lambda _step: None, settings.checkpoint_seconds, fabric)
            run_phase(training, 0, checkpointer, Silent(), lambda _row: None)
            score = evaluate(training.finish(), self.data, self.data.test, fabric, settings)
        cost = {"evaluations": 1.0, "epochs": float(epochs), "seconds": round(time.monotonic() - began, 3)}
        return Verdict({self.quantities[0]: float(score)}, cost)
