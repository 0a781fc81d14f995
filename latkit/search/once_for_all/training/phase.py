"""One stage of a curriculum as a phase of training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from latkit.search.curricula import Sample, Stage
from latkit.search.data import Batch, Feeder
from latkit.search.data.resolution import resized
from latkit.search.gradient.search_phase import feed_of
from latkit.search.once_for_all.judging import SubnetJudge
from latkit.search.once_for_all.training.problem import SupernetProblem
from latkit.search.supernet.elastic.base import ElasticNet
from latkit.search.supernet.weight_trainer import Loss, WeightTrainer, device_module
from latkit.search.training.nan_guard import LossWatch, check_weights
from latkit.search.training.trainer import Row, Totals, learning_rate

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class CurriculumPhase:
    """Steps of a stage: each trains the sub-networks that the curriculum draws, and adds up their gradients.

    Every process draws the same sub-networks and gets its part of the batch.
    """

    def __init__(self, problem: SupernetProblem, net: ElasticNet, stage: Stage, number: int, fabric: Fabric) -> None:
        """`number`: of the stage. With a teacher, the largest network is copied now."""
        settings = problem.settings
        self.name, self.problem, self.net, self.stage, self.fabric = stage.name, problem, net, stage, fabric
        self.task, self.metric = problem.task, problem.task.metric
        if fabric.world_size > 1 and settings.sync_batch_norm:
            net.normalize_together(fabric)
        self.weights = WeightTrainer(net, settings, fabric)
        self.teacher = self._copied_teacher() if stage.has_teacher else None
        seed = settings.seed * 1000 + number
        self.generator = torch.Generator().manual_seed(seed)
        self.totals = Totals(fabric, self.metric)
        data = problem.parts.data
        feed = feed_of(data, settings, fabric, settings.batch_size, seed)
        self.feeder = Feeder(data, data.train, torch.arange(len(data.train.labels)), feed, fabric.device)
        self.epochs, self.steps_per_epoch = stage.epochs, self.feeder.batches_per_pass
        self.watch = LossWatch(self.name, self.steps_per_epoch, fabric.device)
        self._batches: Iterator[Batch] = iter(())

    def begin(self, step: int) -> None:
        """Open the stream of images at a step."""
        self._batches = self.feeder.stream(step)

    def step(self, step: int) -> None:
        """One step of the weights."""
        images, targets = next(self._batches)
        samples = self.problem.curriculum.samples(self.problem.space, self.stage, self.generator)
        largest: Tensor | None = None
        for sample in samples:
            sized = resized(images, self.net.resolution(sample.architecture))
            loss_of = self._loss(sample, largest)
            loss, outputs = self.weights.accumulate(sized, targets, loss_of, sample.architecture)
            largest = outputs if largest is None else largest
            self.totals.add_batch("weight", loss, outputs, targets)
            self.watch.note(step, "the loss", loss)
        self.weights.update(self.weights.parameters, self._learning_rate(step))

    def _loss(self, sample: Sample, largest: Tensor | None) -> Loss:
        """A sample's loss."""
        settings, task = self.problem.settings, self.task

        def loss_of(images: Tensor, outputs: Tensor, targets: Tensor) -> Tensor:
            taught = self._taught(sample, images, largest)
            by_teacher = None
            if taught is not None:
                by_teacher = task.distillation_loss(outputs, taught, settings.distillation_temperature)
                if sample.learns_from == "largest":
                    return by_teacher
            loss = task.loss(outputs, targets, settings.label_smoothing)
            weight = settings.distillation_weight
            return loss if by_teacher is None else (1 - weight) * loss + weight * by_teacher

        return loss_of

    def _taught(self, sample: Sample, images: Tensor, largest: Tensor | None) -> Tensor | None:
        """The outputs that a sample learns from; None where it learns from labels alone."""
        if sample.learns_from == "teacher" and self.teacher is not None:
            with torch.no_grad():
                outputs: Tensor = self.teacher(images)
            return outputs
        return largest if sample.learns_from in ("largest", "labels and largest") else None

    def _learning_rate(self, step: int) -> float:
        settings, (begin, end) = self.problem.settings, self.stage.schedule
        steps = self.epochs * self.steps_per_epoch / (end - begin)  # of the full rise and fall
        return learning_rate(begin * steps + step, steps, settings.learning_rate * self.stage.rate, settings.ramp_share)

    def summary(self, epoch: int) -> Row:
        """Mean loss and metric of the sub-networks trained; after the last epoch, the metric of the smallest and the
        largest on validation images."""
        self.check()
        rate = self._learning_rate((epoch + 1) * self.steps_per_epoch - 1)
        row: Row = {"epoch": epoch + 1, **self.totals.means(), "learning_rate": rate}
        if epoch + 1 == self.epochs:
            judge = SubnetJudge(self.net, self.problem.parts, self.problem.settings, self.fabric)
            for title, architecture in (("smallest", self.net.smallest), ("largest", self.net.largest)):
                row[f"{title}_{self.metric.name}"] = judge.validation(architecture)
        self.totals = Totals(self.fabric, self.metric)
        return row

    def check(self) -> None:
        """Raise LatkitError if a loss or a weight is not finite."""
        self.watch.check()
        check_weights(self.net.state_dict().values(), self.name)

    def _copied_teacher(self) -> nn.Module:
        """The largest network, by the statistics of each batch: those of every resolution differ."""
        teacher = device_module(self.net.subnet(self.net.largest), self.fabric)
        return self.net.prepared(teacher).requires_grad_(False)

    def state(self) -> dict[str, Any]:
        """Everything that a step changes, and the teacher."""
        return {
            "weights": self.weights.state(),
            "teacher": self.teacher.state_dict() if self.teacher else {},
            "generator": self.generator.get_state(),
            "totals": self.totals.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        self.weights.load_state(state["weights"])
        if self.teacher:
            self.teacher.load_state_dict(state["teacher"])
        self.generator.set_state(state["generator"])
        self.totals.load_state(state["totals"])
