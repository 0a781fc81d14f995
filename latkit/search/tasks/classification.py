"""Classification: one label per image; cross-entropy, judged by accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latkit.ops import Shape
from latkit.search.tasks.augmentation import Transform
from latkit.search.tasks.base import Metric, Task
from latkit.search.tasks.names import DEFAULT_METRIC, DEFAULT_TASK

if TYPE_CHECKING:
    from torch import Tensor


class Accuracy(Metric):
    """Share of images whose highest score is that of their label."""

    name = title = DEFAULT_METRIC

    def counts(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The number of images classified correctly, of scores (N, classes) and labels (N,)."""
        return (outputs.argmax(1) == targets).sum()

    def value(self, counts: Tensor, images: int) -> float:
        """The share, 0 to 1."""
        return float(counts) / images


class Classification(Task):
    """Outputs are scores (N, classes), targets are labels (N,), int64."""

    name = DEFAULT_TASK
    metric = Accuracy()

    def output_shape(self, image_shape: Shape, classes: int) -> Shape:  # noqa: ARG002
        """One score per class."""
        return (classes,)

    def targets(self, labels: Tensor) -> Tensor:
        """The labels."""
        return labels

    def augment(self, images: Tensor, targets: Tensor, transform: Transform) -> tuple[Tensor, Tensor]:
        """Transform the images; a label stays what it is."""
        return transform(images), targets

    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """Cross-entropy with label smoothing."""
        from torch.nn import functional as F

        return F.cross_entropy(outputs, targets, label_smoothing=smoothing)

    def distillation_loss(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """T^2 KL(softmax(taught / T) || softmax(outputs / T)), the mean over images (Hinton et al. 2015, section 2).

        T^2 makes the size of its gradients independent of T.
        """
        from torch.nn import functional as F

        ours = F.log_softmax(outputs.float() / temperature, -1)
        theirs = F.log_softmax(taught.float() / temperature, -1)
        return temperature**2 * F.kl_div(ours, theirs, reduction="batchmean", log_target=True)

    def reward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The accuracy on the batch."""
        return (outputs.argmax(1) == targets).double().mean()

    def agreement(self, outputs: Tensor, others: Tensor) -> float:
        """Share of images with the same highest score."""
        return float((outputs.argmax(1) == others.argmax(1)).double().mean())


CLASSIFICATION = Classification()
