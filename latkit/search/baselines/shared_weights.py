"""Evaluation of an architecture by the weights of a supernet that was trained on uniform paths."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from latkit.search.data import ArrayImages, CachedImages, DataSplit, fetch_by_threads
from latkit.search.evaluators import Evaluator, Verdict
from latkit.search.gradient.factory import make_search_phase
from latkit.search.gradient.search_phase import SearchPhase
from latkit.search.records.problem import Problem
from latkit.search.supernet.bn_calibration import recalibrate
from latkit.search.supernet.supernet import Supernet
from latkit.search.supernet.weight_trainer import evaluate
from latkit.search.tasks import TASKS
from latkit.spaces import Architecture

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def uniform_phase(problem: Problem, fabric: Fabric) -> tuple[Supernet, SearchPhase]:
    """The supernet, and a search that stays in its warm-up: the same number of weight steps, all on uniform paths."""
    settings = problem.settings
    epochs = settings.warmup_epochs + settings.epochs
    changes = {"warmup_epochs": epochs, "epochs": 1, "learner": "gradient", "path_rule": "binary"}
    uniform = replace(problem, settings=settings.model_copy(update=changes))
    supernet, phase = make_search_phase(uniform, fabric, binding=True)
    phase.epochs = epochs
    return supernet, phase


class SharedWeights(Evaluator):
    """The metric of a path of the supernet, on images that did not train weights.

    Batch norm statistics are recalibrated for the path: the running ones mix all paths' (Guo et al. 2020, section 3.4).
    """

    def __init__(self, supernet: Supernet, phase: SearchPhase, data: DataSplit, images: int) -> None:
        self.name = f"shared-weights-{data.name}-{images}"
        self.supernet = supernet
        self.settings, self.fabric = phase.settings, phase.fabric
        train, workers = data.train, phase.settings.workers
        unseen = phase.architecture_feeder.plan.indices[:images].to(train.labels.device)
        self.images = ArrayImages(fetch_by_threads(train, unseen, workers), train.labels[unseen])
        # the images for batch norm statistics are decoded once, not for every architecture
        self.data = data if train.in_memory else replace(data, train=CachedImages(train, workers))

    @property
    def quantities(self) -> tuple[str, ...]:
        """The metric of the task."""
        return (TASKS.get(self.settings.task).metric.name,)

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        """One verdict per architecture, each of which costs one evaluation, and seconds."""
        self.effort_index(effort)
        return [self._verdict(one) for one in architectures]

    def _verdict(self, architecture: Architecture) -> Verdict:
        began = time.monotonic()
        module = self.supernet.path_module(architecture)
        recalibrate(module, self.data, self.fabric, self.settings.batch_size, self.settings.seed)
        score = evaluate(module, self.data, self.images, self.fabric, self.settings)
        cost = {"evaluations": 1.0, "seconds": time.monotonic() - began}
        return Verdict({self.quantities[0]: float(score)}, cost)
