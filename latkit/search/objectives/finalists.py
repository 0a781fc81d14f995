"""Finalists: a few architectures trained briefly, each from scratch, and the best of them.

Shared weights have served many paths. They separate good paths from bad ones, but hardly a good one from a better one.
A short training from scratch does. DARTS selects in this way among the results of four searches (Liu, Simonyan and Yang
2019, arXiv 1806.09055, section 3).
"""

from __future__ import annotations

import dataclasses
import math
from itertools import islice
from typing import TYPE_CHECKING

import torch

from latkit.progress import Named, Progress
from latkit.search.data import Feeder, ImageSet, subset
from latkit.search.gradient.factory import fresh_module
from latkit.search.gradient.search_phase import SearchPhase
from latkit.search.objectives.derivation import Order, bounds
from latkit.search.records.problem import Problem
from latkit.search.supernet.distribution import PathDistribution
from latkit.search.supernet.weight_trainer import evaluate
from latkit.search.training.trainer import Checkpointer, run_phase
from latkit.search.training.training_phase import TrainingPhase
from latkit.spaces import Architecture

if TYPE_CHECKING:
    from lightning_fabric import Fabric

DRAWS = 10_000
"""A decided distribution gives few different paths; more draws than this would not give more."""


def finalists(
    distribution: PathDistribution, problem: Problem, first: Architecture, order: Order = list
) -> list[Architecture]:
    """`first`, and others drawn by their probabilities that take 0.98 to 1.01 of the target and meet the constraints.

    `settings.finalists` different ones in all, or fewer where the distribution gives no more. The others are the first
    by `order` among `settings.repair_candidates` drawn ones, or as many as are needed.
    """
    settings = problem.settings
    count = settings.finalists - 1
    if count == 0:
        return [first]
    generator = torch.Generator().manual_seed(settings.seed)
    with torch.no_grad():
        paths = torch.multinomial(distribution.probabilities(), DRAWS, replacement=True, generator=generator).T
    min_s, max_s = bounds(problem.table, problem.target_s)
    seconds = problem.table.lookup(paths)
    hits = dict.fromkeys(map(tuple, paths[(seconds >= min_s) & (seconds <= max_s)].tolist()))
    others = (path for path in hits if path != first and all(each.admits(path) for each in problem.constraints))
    drawn = list(islice(others, max(settings.repair_candidates, count)))
    return [first, *order(drawn)[:count]]


class FinalistTrainer:
    """Trains architectures briefly from scratch, on the images that trained the supernet's weights."""

    def __init__(self, problem: Problem, phase: SearchPhase, fabric: Fabric, progress: Progress) -> None:
        """`phase`: the finished search phase, which has the split of images for weights and for the architecture."""

        def images(feeder: Feeder) -> ImageSet:
            return subset(problem.data.train, feeder.plan.indices.cpu())

        self.space = problem.space
        self.data = dataclasses.replace(
            problem.data, train=images(phase.weight_feeder), test=images(phase.architecture_feeder)
        )
        settings = problem.settings
        epochs = settings.finalist_epochs or max(math.ceil(settings.training_epochs / 4), 1)
        self.settings = settings.model_copy(update={"training_epochs": epochs, "evaluation_epochs": 0})
        self.fabric = fabric
        self.progress = progress

    def score(self, architecture: Architecture, name: str) -> float:
        """The metric of the architecture on the images that trained no weights.

        The initial weights and the order of the images are the same for all. `name` is for progress messages.
        """
        settings = self.settings
        module = fresh_module(self.space.decode(architecture), settings, self.fabric)
        training = TrainingPhase(module, self.data, settings, self.fabric)
        checkpointer = Checkpointer(lambda _step: None, settings.checkpoint_seconds, self.fabric)
        run_phase(training, 0, checkpointer, Named(self.progress, name), lambda _row: None)
        return evaluate(training.finish(), self.data, self.data.test, self.fabric, settings)
