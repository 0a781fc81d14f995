"""The training phase: the derived network's weights, from scratch or from the supernet's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from latkit.search.data import Batch, DataSplit, Feeder
from latkit.search.gradient.search_phase import feed_of
from latkit.search.gradient.settings import SearchSettings
from latkit.search.supernet.bn_calibration import MIN_BATCHES, recalibrate, statistics_restored
from latkit.search.supernet.weight_trainer import WeightTrainer, evaluate
from latkit.search.tasks import TASKS
from latkit.search.training.distillation import Distillation
from latkit.search.training.nan_guard import LossWatch, check_weights
from latkit.search.training.trained_network import TrainedNetwork
from latkit.search.training.trainer import Row, Totals, learning_rate

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class TrainingPhase:
    """Training with label smoothing, a linear rise and a cosine fall of the learning rate; optionally a moving average
    and a teacher."""

    name = "training"

    def __init__(
        self,
        module: nn.Module,
        data: DataSplit,
        settings: SearchSettings,
        fabric: Fabric,
        teacher: TrainedNetwork | None = None,
    ) -> None:
        self.data = data
        self.settings = settings
        self.fabric = fabric
        loss = Distillation(teacher, data, settings, fabric.device) if teacher else None
        self.weights = WeightTrainer(module, settings, fabric, loss)
        self.average = MovingAverage(module, settings.ema_decay) if settings.ema_decay else None
        self.metric = TASKS.get(settings.task).metric
        self.totals = Totals(self.fabric, self.metric)
        feed = feed_of(data, settings, fabric, settings.training_batch_size, settings.seed)
        self.feeder = Feeder(data, data.train, torch.arange(len(data.train.labels)), feed, fabric.device)
        self.epochs = settings.training_epochs
        self.steps_per_epoch = self.feeder.batches_per_pass
        self.watch = LossWatch(self.name, self.steps_per_epoch, fabric.device)
        self._batches: Iterator[Batch] = iter(())

    def begin(self, step: int) -> None:
        """Open the stream of images at a step."""
        self._batches = self.feeder.stream(step)

    def step(self, step: int) -> None:
        """One weight step."""
        images, targets = next(self._batches)
        loss, outputs = self.weights.step(images, targets, self._learning_rate(step))
        self.totals.add_batch("weight", loss, outputs, targets)
        self.watch.note(step, "the loss", loss)
        if self.average:
            self.average.update(step)

    def _learning_rate(self, step: int) -> float:
        steps = self.epochs * self.steps_per_epoch
        return learning_rate(step, steps, self.settings.training_learning_rate, self.settings.ramp_share)

    def summary(self, epoch: int) -> Row:
        """Mean loss and metric on training images, and at intervals the metric on the test images."""
        self.check()
        rate = self._learning_rate((epoch + 1) * self.steps_per_epoch - 1)
        row: Row = {"epoch": epoch + 1, **self.totals.means(), "learning_rate": rate}
        every = self.settings.evaluation_epochs
        if every and ((epoch + 1) % every == 0 or epoch + 1 == self.epochs):
            with self._with_final_weights((epoch + 1) * self.steps_per_epoch):
                module, test = self.weights.module, self.data.test
                row[f"test_{self.metric.name}"] = evaluate(module, self.data, test, self.fabric, self.settings)
        self.totals = Totals(self.fabric, self.metric)
        return row

    def check(self) -> None:
        """Raise LatkitError if a loss or a weight is not finite."""
        self.watch.check()
        check_weights(self.weights.module.state_dict().values(), self.name)

    @contextmanager
    def _with_final_weights(self, steps: int) -> Iterator[None]:
        """Context manager: the module is the result of training as if it ended after `step` steps; restored
        afterwards."""
        if self.average:
            self.average.swap()
        try:
            with statistics_restored(self.weights.module):
                if steps < MIN_BATCHES:
                    self._recalibrate()
                yield
        finally:
            if self.average:
                self.average.swap()

    def finish(self) -> nn.Module:
        """The trained module, with the averaged weights where there are any.

        Batch norm statistics are recalibrated for averaged weights, for inherited ones that were not trained, and after
        few batches, when the statistics lag behind the weights.
        """
        if self.average:
            self.average.swap()
        if self.average or self.epochs * self.steps_per_epoch < MIN_BATCHES:
            self._recalibrate()
        return self.weights.module

    def _recalibrate(self) -> None:
        batch_size, seed = self.settings.training_batch_size, self.settings.seed
        recalibrate(self.weights.module, self.data, self.fabric, batch_size, seed)

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        average = self.average.values if self.average else []
        return {"weights": self.weights.state(), "average": list(average), "totals": self.totals.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        self.weights.load_state(state["weights"])
        self.totals.load_state(state["totals"])
        if self.average:
            for value, saved in zip(self.average.values, state["average"], strict=True):
                value.copy_(saved)


class MovingAverage:
    """Exponential moving average of a module's weights and batch norm statistics.

    The averaged statistics are those of the weights that were averaged, not of the average. They serve for intermediate
    evaluations; `recalibrate` gives the correct ones at the end.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self._followed: list[Tensor] = [
            tensor.detach() for tensor in module.state_dict().values() if tensor.is_floating_point()
        ]
        self.values = [tensor.clone() for tensor in self._followed]

    def update(self, step: int) -> None:
        """Add the weights after a step; the first steps use a lower decay, so that the initial weights fade."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for value, tensor in zip(self.values, self._followed, strict=True):
            value.lerp_(tensor, 1 - decay)

    def swap(self) -> None:
        """Exchange the module's weights and the averaged ones."""
        with torch.no_grad():
            for value, tensor in zip(self.values, self._followed, strict=True):
                own = tensor.clone()
                tensor.copy_(value)
                value.copy_(own)
