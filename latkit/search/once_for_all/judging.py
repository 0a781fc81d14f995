"""Scores of sub-networks with the supernet's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from latkit.search.data import DataSplit, ImageSet
from latkit.search.data.resolution import at_resolution, images_at
from latkit.search.once_for_all.settings import SupernetSettings
from latkit.search.once_for_all.training.problem import TrainingParts
from latkit.search.supernet.bn_calibration import recalibrate
from latkit.search.supernet.elastic.base import ElasticNet
from latkit.search.supernet.weight_trainer import device_module, evaluate, metric_and_loss
from latkit.spaces import Architecture

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class SubnetJudge:
    """Takes sub-networks out of a supernet, recalibrates their batch norm statistics, and evaluates them.

    Images of every resolution are prepared once.
    """

    def __init__(self, net: ElasticNet, parts: TrainingParts, settings: SupernetSettings, fabric: Fabric) -> None:
        self.net, self.parts, self.settings, self.fabric = net, parts, settings, fabric
        self._splits: dict[int, tuple[DataSplit, ImageSet]] = {}

    def module(self, architecture: Architecture) -> nn.Module:
        """A sub-network as a plain module in evaluation mode, ready to use on images at its resolution."""
        module = device_module(self.net.subnet(architecture), self.fabric)
        data, _ = self.images(architecture)
        settings = self.settings
        recalibrate(module, data, self.fabric, settings.batch_size, settings.seed, settings.calibration_images)
        return module.eval()

    def validation(self, architecture: Architecture) -> float:
        """The task's metric on the images that trained nothing."""
        return self.score(self.module(architecture), architecture, "validation")

    def metric_and_loss(self, architecture: Architecture) -> tuple[float, float]:
        """The task's metric and mean loss on the images that trained nothing."""
        data, unseen = self.images(architecture)
        return metric_and_loss(self.module(architecture), data, unseen, self.fabric, self.settings)

    def score(self, module: nn.Module, architecture: Architecture, images: str) -> float:
        """The task's metric of a module at an architecture's resolution, on `validation` or `test` images."""
        data, unseen = self.images(architecture)
        return evaluate(module, data, unseen if images == "validation" else data.test, self.fabric, self.settings)

    def images(self, architecture: Architecture) -> tuple[DataSplit, ImageSet]:
        """Training and test images, and validation images, at an architecture's resolution."""
        resolution = self.net.resolution(architecture)
        if resolution not in self._splits:
            data = at_resolution(self.parts.data, resolution)
            self._splits[resolution] = data, images_at(self.parts.validation, resolution)
        return self._splits[resolution]
