"""The training phase: the derived network's weights, from scratch or from the supernet's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from latkit.search.data import Batch, DataSplit, Feeder
from latkit.search.loop import Row, Totals, learning_rate
from latkit.search.searching import augmentation
from latkit.search.settings import SearchSettings
from latkit.search.weights import WeightTrainer


class TrainingPhase:
    """Label smoothing, a linear rise and a cosine fall of the learning rate, and a moving average if asked for."""

    name = "training"

    def __init__(self, module: nn.Module, data: DataSplit, settings: SearchSettings, fabric: Fabric) -> None:
        self.settings = settings
        self.fabric = fabric
        self.weights = WeightTrainer(module, settings, fabric)
        self.average = MovingAverage(module, settings.ema_decay) if settings.ema_decay else None
        self.totals = Totals()
        self.feeder = Feeder(
            data,
            data.train,
            torch.arange(len(data.train.labels)),
            settings.training_batch_size,
            settings.seed,
            fabric.device,
            augmentation(data, settings),
            settings.workers,
        )
        self.epochs = settings.training_epochs
        self.steps_per_epoch = self.feeder.batches_per_pass
        self._batches: Iterator[Batch] = iter(())

    def begin(self, step: int) -> None:
        """Open the stream of images at a step."""
        self._batches = self.feeder.stream(step)

    def step(self, step: int) -> None:
        """One weight step."""
        images, labels = next(self._batches)
        steps = self.epochs * self.steps_per_epoch
        rate = learning_rate(step, steps, self.settings.training_learning_rate, self.settings.ramp_share)
        self.totals.add_batch("weight", *self.weights.step(images, labels, rate), labels)
        if self.average:
            self.average.update(step)

    def summary(self, epoch: int) -> Row:
        """Mean loss and accuracy on training images."""
        self.totals.check(f"training, epoch {epoch + 1}")
        row: Row = {"epoch": epoch + 1, **self.totals.means()}
        self.totals = Totals()
        return row

    def check(self) -> None:
        """Raise LatkitError if a loss since the last summary is no number."""
        self.totals.check("training, in the middle of an epoch")

    def finish(self) -> nn.Module:
        """The trained module, with the averaged weights where there are any."""
        if self.average:
            self.average.apply()
        return self.weights.module

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        average = self.average.values if self.average else []
        return {"weights": self.weights.state(), "average": list(average), "totals": self.totals.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.weights.load_state(state["weights"])
        self.totals.load_state(state["totals"], self.fabric.device)
        if self.average:
            for value, saved in zip(self.average.values, state["average"], strict=True):
                value.copy_(saved)


class MovingAverage:
    """Exponential moving average of a module's weights and batch norm statistics."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self._followed: list[Tensor] = [
            tensor.detach() for tensor in module.state_dict().values() if tensor.is_floating_point()
        ]
        self.values = [tensor.clone() for tensor in self._followed]

    def update(self, step: int) -> None:
        """Take in the weights after a step; in the first steps the decay is lower, or the start would weigh on."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for value, tensor in zip(self.values, self._followed, strict=True):
            value.lerp_(tensor, 1 - decay)

    def apply(self) -> None:
        """Give the module the averaged weights."""
        with torch.no_grad():
            for value, tensor in zip(self.values, self._followed, strict=True):
                tensor.copy_(value)
