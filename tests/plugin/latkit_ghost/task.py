"""top2: classification that is judged by whether the label is among the two highest scores."""

from __future__ import annotations

from torch import Tensor

from latkit.search.tasks import Metric
from latkit.search.tasks.classification import Classification


class TopTwoAccuracy(Metric):
    """Share of images whose label is among the two highest scores."""

    name = "top2_accuracy"
    title = "top-2 accuracy"

    def counts(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The number of such images, of scores (N, classes) and labels (N,)."""
        return (outputs.topk(2, dim=1).indices == targets[:, None]).any(1).sum()

    def value(self, counts: Tensor, images: int) -> float:
        """The share, 0 to 1."""
        return float(counts) / images


class TopTwo(Classification):
    """Trained as classification is."""

    name = "top2"
    metric = TopTwoAccuracy()

    def reward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The metric on the batch."""
        return self.metric.counts(outputs, targets).double() / len(targets)


TOP_TWO = TopTwo()
