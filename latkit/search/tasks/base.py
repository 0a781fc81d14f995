"""The protocol of a task: what a network is trained for, and how it is judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from latkit.ops import Shape
from latkit.search.tasks.augmentation import Transform

if TYPE_CHECKING:
    from torch import Tensor


class Metric(ABC):
    """A figure of merit of a network on a set of images.

    It follows from integer counts that add up over batches and processes, such as the entries of a confusion matrix. So
    it is exact over the set, not a mean over batches.
    """

    name: str
    """Its field in results and histories."""
    title: str
    """For people."""
    larger_is_better: bool = True
    scale: float = 100.0
    """Factor of the displayed value."""
    unit: str = "%"
    lowest: float = 0.0
    highest: float = 1.0
    shape: tuple[int, ...] = ()
    """Shape of the counts."""

    @abstractmethod
    def counts(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The counts of one batch, int64 of `shape`."""

    @abstractmethod
    def value(self, counts: Tensor, images: int) -> float:
        """The metric of counts, added up over a number of images."""

    @property
    def heading(self) -> str:
        """The title, to begin a heading with."""
        return self.title[:1].upper() + self.title[1:]

    @property
    def axis(self) -> str:
        """Title of an axis of displayed values."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def format(self, value: float, decimals: int = 1) -> str:
        """A value for people."""
        return f"{self.scale * value:.{decimals}f} {self.unit}".strip()

    def rank(self, value: float) -> float:
        """A number that is larger for a better value."""
        return value if self.larger_is_better else -value


class Task(ABC):
    """A task has no state: it is one object, registered under its name in `TASKS` or by an entry point."""

    name: str
    metric: Metric

    @abstractmethod
    def output_shape(self, image_shape: Shape, classes: int) -> Shape:
        """Shape of a network's output for images (C, H, W) of some classes, without the batch."""

    @abstractmethod
    def targets(self, labels: Tensor) -> Tensor:
        """What the outputs of a batch are compared with, from the labels of its images."""

    @abstractmethod
    def augment(self, images: Tensor, targets: Tensor, transform: Transform) -> tuple[Tensor, Tensor]:
        """Transform images (N, C, H, W), and targets where they have pixels, in the same way."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """The loss of a batch, a scalar to minimize. `smoothing`: share of the target's mass that all classes share."""

    @abstractmethod
    def distillation_loss(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """How far the outputs are from a teacher's on the same images, both softened: a scalar to minimize."""

    @abstractmethod
    def reward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How good a batch's outputs are, a scalar from 0 to 1 in double precision; larger is better."""

    @abstractmethod
    def agreement(self, outputs: Tensor, others: Tensor) -> float:
        """Share of the decisions, 0 to 1, that two networks' outputs for the same images have in common."""
