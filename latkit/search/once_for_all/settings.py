"""Settings of a supernet's training."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field

from latkit.search.training.settings import MAX_EVALUATED, TrainingSettings

EVALUATED_PER_TRAINED = 4
"""Images evaluated at once for each of a training batch: a third faster for small networks."""


class SupernetSettings(TrainingSettings):
    """Settings of a supernet's training. Frozen; unknown names are refused."""

    subject: ClassVar[str] = "supernet"

    epochs: int = Field(60, ge=1)
    """Passes over the training images, of all stages together."""
    learning_rate: float = Field(0.1, gt=0)
    """Peak of the first stage; later stages have the share of it that the curriculum says."""
    distillation_temperature: float = Field(1.0, gt=0)
    """How much the scores of a sub-network and of what it learns from are softened before they are compared."""
    validation_share: float = Field(0.1, gt=0, lt=1)
    """Share of the training images that train nothing: sub-networks are judged on them."""
    calibration_images: int = Field(1024, ge=2)
    """Training images on which a sub-network's batch norm statistics are recalibrated."""
    random_subnets: int = Field(10, ge=1)
    """Sub-networks that are judged at the end, besides the smallest and the largest."""

    @property
    def evaluation_batch_size(self) -> int:
        """Images evaluated at once: without the activations that gradients need, more fit than in training."""
        return min(EVALUATED_PER_TRAINED * self.batch_size, MAX_EVALUATED)

    @classmethod
    def for_images(cls, count: int, **changes: object) -> Self:
        """Defaults for a number of training images: more images mean larger batches and fewer passes.

        Raises UsageError for an invalid change.
        """
        sizes: list[tuple[float, dict[str, object]]] = [
            (5_000, {}),
            (200_000, {"batch_size": 128, "epochs": 120}),
            (float("inf"), {"batch_size": 256, "epochs": 180}),
        ]
        fitting = next(numbers for max_images, numbers in sizes if count <= max_images)
        return cls.make(**{**fitting, **changes})

    @classmethod
    def quick(cls, **changes: object) -> Self:
        """A minute on one core for scikit-learn's digits: for demonstrations. Raises UsageError."""
        numbers: dict[str, object] = {"epochs": 12, "batch_size": 32, "accelerator": "cpu", "threads": 1}
        return cls.make(**{**numbers, "calibration_images": 512, **changes})
