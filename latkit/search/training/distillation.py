"""Distillation: the derived network learns from a trained network besides the labels."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from latkit.errors import UsageError
from latkit.search.data import DataSplit, Normalize
from latkit.search.tasks import TASKS
from latkit.search.training.settings import TrainingSettings
from latkit.search.training.trained_network import TrainedNetwork


def check_teacher(teacher: TrainedNetwork, data: DataSplit) -> None:
    """Raise UsageError unless the teacher takes the data's images and has its classes, in the same order."""
    shape, names = teacher.network.input_shape, teacher.class_names
    if shape != data.shape:
        raise UsageError(f"expected a teacher for images of shape {data.shape}, but found one for {shape}")
    if names != data.class_names:
        different = next((n for n, (a, b) in enumerate(zip(names, data.class_names, strict=False)) if a != b), None)
        found = (
            f"one of {len(names)}"
            if len(names) != data.classes or different is None
            else f"that class {different} is {names[different]!r} to it and {data.class_names[different]!r} there"
        )
        raise UsageError(f"expected a teacher of the {data.classes} classes of data {data.name}, but found {found}")


class Distillation:
    """(1 - a) loss by labels + a loss by the teacher, softened by a temperature (Hinton et al. 2015, section 2).

    The teacher sees the same images as the student, with its own normalization, and has no gradients.
    """

    def __init__(self, teacher: TrainedNetwork, data: DataSplit, settings: TrainingSettings, device: torch.device):
        self.teacher = copy.deepcopy(teacher).to(device)
        self.normalize = Normalize(data, device)
        self.task = TASKS.get(settings.task)
        self.weight = settings.distillation_weight
        self.temperature = settings.distillation_temperature
        self.label_smoothing = settings.label_smoothing

    def __call__(self, images: Tensor, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of the student's outputs for normalized images (N, C, H, W) and their targets."""
        with torch.no_grad():
            taught = self.teacher(images / self.normalize.scale + self.normalize.mean)
        by_labels = self.task.loss(outputs, targets, self.label_smoothing)
        by_teacher = self.task.distillation_loss(outputs, taught, self.temperature)
        return (1 - self.weight) * by_labels + self.weight * by_teacher
