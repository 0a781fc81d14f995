"""The search phase: alternating steps of weights and architecture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from latkit.search.data import Batch, DataSplit, Feed, Feeder
from latkit.search.gradient.gates import PathRule, placed
from latkit.search.gradient.learners import Learner
from latkit.search.gradient.settings import SearchSettings
from latkit.search.supernet.supernet import Supernet
from latkit.search.supernet.weight_trainer import WeightTrainer
from latkit.search.tasks import TASKS, Augmentation
from latkit.search.training.distributed import shard_of
from latkit.search.training.nan_guard import LossWatch, check_weights
from latkit.search.training.settings import TrainingSettings
from latkit.search.training.trainer import Row, Totals, learning_rate

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Feeders(NamedTuple):
    """Feeders over separate parts of the training images."""

    weights: Feeder
    architecture: Feeder


class SearchPhase:
    """Weight steps on one part of the training images, and after the warm-up architecture steps on the other.

    Cai et al. 2019, section 3.2: both kinds of step alternate; each draws its own paths.
    """

    name = "search"

    def __init__(
        self,
        supernet: Supernet,
        learner: Learner,
        rule: PathRule,
        feeders: Feeders,
        settings: SearchSettings,
        fabric: Fabric,
    ) -> None:
        self.arch_objective = learner.arch_objective
        self.learner = learner
        self.rule = rule
        self.settings = settings
        self.fabric = fabric
        self.weights = WeightTrainer(supernet, settings, fabric)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.metric = TASKS.get(settings.task).metric
        self.totals = Totals(self.fabric, self.metric)
        self.weight_feeder, self.architecture_feeder = feeders
        self.epochs = settings.warmup_epochs + settings.epochs
        self.steps_per_epoch = self.weight_feeder.batches_per_pass
        self.watch = LossWatch(self.name, self.steps_per_epoch, fabric.device)
        self._weight_batches: Iterator[Batch] = iter(())
        self._architecture_batches: Iterator[Batch] = iter(())

    def begin(self, step: int) -> None:
        """Open both streams of images at a step."""
        self._weight_batches = self.weight_feeder.stream(step)
        warm_steps = self.settings.warmup_epochs * self.steps_per_epoch
        architecture_steps = max(step - warm_steps, 0) // self.settings.weight_steps
        self._architecture_batches = self.architecture_feeder.stream(architecture_steps)

    def step(self, step: int) -> None:
        """A weight step, and an architecture step when it is due."""
        images, targets = next(self._weight_batches)
        progress = self.progress(step)
        if step == self.settings.warmup_epochs * self.steps_per_epoch:
            self.arch_objective.begin()
        paths = placed(
            self.rule.weight_paths(self.arch_objective.distribution, progress, self.generator), images.device
        )
        loss, outputs = self.weights.step(images, targets, self._learning_rate(step), paths)
        self.totals.add_batch("weight", loss, outputs, targets)
        self.watch.note(step, "the weight step's loss", loss)
        after_warmup = step - self.settings.warmup_epochs * self.steps_per_epoch + 1
        if after_warmup > 0 and after_warmup % self.settings.weight_steps == 0:
            images, targets = next(self._architecture_batches)
            loss, outputs = self.learner.step(images, targets, self.generator, progress)
            self.totals.add_batch("architecture", loss, outputs, targets)
            self.watch.note(step, "the architecture step's loss", loss)
            self.watch.note(step, "the sum of the architecture's logits", self.arch_objective.distribution.logits.sum())
            self.watch.check()  # the step has already waited for the gates' gradients

    def _learning_rate(self, step: int) -> float:
        steps = self.epochs * self.steps_per_epoch
        return learning_rate(step, steps, self.settings.weight_learning_rate, self.settings.ramp_share)

    def progress(self, step: int) -> float:
        """The share of the search after the warm-up that is done before a step, 0 to 1."""
        warm_epochs, epochs = self.settings.warmup_epochs, self.settings.epochs
        return max(step / self.steps_per_epoch - warm_epochs, 0.0) / epochs

    def summary(self, epoch: int) -> Row:
        """Mean losses and the metric on the epoch's images, and the current distribution."""
        self.check()
        arch_objective = self.arch_objective
        with torch.no_grad():
            probabilities = arch_objective.distribution.probabilities()
            row: Row = {
                "epoch": epoch + 1,
                "warm_up": epoch < self.settings.warmup_epochs,
                **self.totals.means(),
                "learning_rate": self._learning_rate((epoch + 1) * self.steps_per_epoch - 1),
                "expected_latency_s": float(arch_objective.table(probabilities)),
                "entropy": float(arch_objective.distribution.entropy()),
                "multiplier": arch_objective.objective.multiplier,
                **arch_objective.constraints.figures(probabilities),
                "probabilities": arch_objective.distribution.rows(probabilities),
            }
        self.totals = Totals(self.fabric, self.metric)
        return row

    def check(self) -> None:
        """Raise LatkitError if a loss, a weight or a logit is not finite: then no checkpoint may be written."""
        self.watch.check()
        check_weights([*self.weights.module.state_dict().values(), self.arch_objective.distribution.logits], self.name)

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {
            "weights": self.weights.state(),
            "learner": self.learner.state(),
            "generator": self.generator.get_state(),
            "totals": self.totals.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        self.weights.load_state(state["weights"])
        self.learner.load_state(state["learner"])
        self.generator.set_state(state["generator"])
        self.totals.load_state(state["totals"])


def make_feeders(data: DataSplit, settings: SearchSettings, fabric: Fabric) -> Feeders:
    """Two feeders over separate parts of the training images: for weights, and for the architecture."""
    count = len(data.train.labels)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(settings.seed))
    for_architecture = min(max(round(count * settings.architecture_share), 1), count - 1)
    parts = order[for_architecture:], order[:for_architecture]
    seeds = 2 * settings.seed, 2 * settings.seed + 1
    feeds = [feed_of(data, settings, fabric, settings.batch_size, seed) for seed in seeds]
    return Feeders(
        *(Feeder(data, data.train, part, feed, fabric.device) for part, feed in zip(parts, feeds, strict=True))
    )


def feed_of(data: DataSplit, settings: TrainingSettings, fabric: Fabric, batch_size: int, seed: int) -> Feed:
    """How this process's images become batches; augmentation by the settings, or by the data's default."""
    augmentation = Augmentation(settings.crop_padding, data.flip if settings.flip is None else settings.flip)
    task = TASKS.get(settings.task)
    return Feed(task, batch_size, seed, augmentation, settings.workers, shard_of(fabric))
