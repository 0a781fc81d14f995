"""Settings of a search: every number that a user may change, with defaults that fit the data."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from latkit.search.training.settings import MAX_EVALUATED, TrainingSettings


class SearchSettings(TrainingSettings):
    """Settings of a search and of the training of its result. Frozen; unknown names are refused."""

    subject: ClassVar[str] = "search"

    # the search: epochs are passes over the half of the training images that trains weights
    warmup_epochs: int = Field(10, ge=0)
    """Epochs that train weights only, on paths drawn uniformly."""
    epochs: int = Field(40, ge=1)
    """Epochs that train weights and architecture in alternation."""
    weight_steps: int = Field(1, ge=1)
    """Weight steps for every architecture step."""
    architecture_share: float = Field(0.5, gt=0, lt=1)
    """Share of the training images that architecture steps see, and weight steps do not."""
    weight_learning_rate: float = Field(0.05, gt=0)
    architecture_learning_rate: float | None = Field(None, gt=0)
    """Adam's, when architecture steps begin; by default 16 over their number."""
    architecture_rate_growth: float = Field(8.0, ge=1)
    """Final over initial learning rate of the architecture; the architecture is decided at the end."""

    # how the architecture is learned
    learner: Literal["gradient", "reinforce"] = "gradient"
    """By the gates' gradients, or by the rewards of sampled paths."""
    path_rule: Literal["binary", "full", "gumbel", "gumbel-hard"] = "binary"
    """Which candidates run in a step: single paths and pairs (ProxylessNAS), all candidates mixed by their
    probabilities (DARTS), or by Gumbel-softmax (FBNet), soft or with one candidate open. With `reinforce`, it applies
    to weight steps alone."""
    gumbel_begin: float = Field(5.0, gt=0)
    gumbel_end: float = Field(0.1, gt=0)
    """Temperatures of the Gumbel-softmax when architecture steps begin and end."""
    reinforce_samples: int = Field(10, ge=2)
    """Paths whose rewards one step of `reinforce` learns from."""
    reinforce_baseline_decay: float = Field(0.9, ge=0, lt=1)
    """Decay per step of the `reinforce` baseline, the moving average of rewards."""

    # latency
    penalty: Literal["constraint", "additive", "multiplicative", "none"] = "constraint"
    """How latency counts; with `none`, it is ignored during the search."""
    penalty_weight: float | None = Field(None, ge=0)
    """The weight of a fixed penalty: by default 0.2 for an added one, or a power of 0.6, as in the authors' code; 0.1
    with `reinforce`."""
    multiplier_rate: float | None = Field(None, gt=0)
    """The constraint's step of dual ascent; by default 100 over the number of architecture steps."""
    damping: float = Field(8.0, ge=0)
    """Weight of the constraint's quadratic term."""
    repair_candidates: int = Field(8, ge=1)
    """Where the most probable path misses target or constraints: number of most probable feasible paths, of which the
    one with the lowest loss is chosen; with 1, the most probable."""
    repair_batches: int = Field(4, ge=1)
    """Batches of the architecture's images that this loss is measured on, with the supernet's weights."""
    finalists: int = Field(1, ge=1)
    """Number of paths trained briefly from scratch; the most accurate on the architecture's images is derived. They are
    the one that the search found and, of `repair_candidates` others drawn by their probabilities, those of the lowest
    loss. With 1, the one found is derived."""
    finalist_epochs: int | None = Field(None, ge=1)
    """Epochs of that training, on the images that trained the supernet's weights; by default a quarter of
    `training_epochs`, rounded up."""

    # the derived network
    training_epochs: int = Field(60, ge=0)
    training_batch_size: int = Field(64, ge=2)
    training_learning_rate: float = Field(0.05, gt=0)
    ema_decay: float | None = Field(None, gt=0, lt=1)
    """Decay per step of a moving average of the weights, which is then saved; none by default."""
    inherit_weights: bool = False
    """Whether training starts from the supernet's weights; from scratch otherwise. With no epochs of training, the
    weights do not change and only batch norm's statistics are recalibrated."""
    evaluation_epochs: int = Field(5, ge=0)
    """Interval in epochs at which, and after the last, the metric on the test images goes into the curves. It is not
    used for selection. 0: never."""
    export_tflite: bool = True
    """Whether the network is written for TFLite besides ONNX, where litert-torch is installed."""

    @property
    def evaluation_batch_size(self) -> int:
        """As many as the derived network is trained on at once."""
        return min(self.training_batch_size, MAX_EVALUATED)

    @property
    def batch_sizes(self) -> dict[str, int]:
        """Of the search, and of the derived network's training."""
        return {"batch_size": self.batch_size, "training_batch_size": self.training_batch_size}

    @classmethod
    def for_images(cls, count: int, **changes: object) -> SearchSettings:
        """Defaults for a number of training images: fewer images mean more passes and smaller batches.

        Raises UsageError for an invalid change.
        """
        sizes: list[tuple[float, dict[str, object]]] = [
            (5_000, {"warmup_epochs": 20, "epochs": 60, "training_epochs": 100}),
            (200_000, {"batch_size": 128, "training_batch_size": 128, "training_epochs": 100}),
            (float("inf"), {"warmup_epochs": 40, "epochs": 80, "batch_size": 256, "training_batch_size": 256}),
        ]
        fitting = next(numbers for max_images, numbers in sizes if count <= max_images)
        return cls.make(**{**fitting, **changes})

    @classmethod
    def quick(cls, **changes: object) -> SearchSettings:
        """A minute on one core for scikit-learn's digits: for demonstrations. Raises UsageError."""
        numbers: dict[str, object] = {
            "warmup_epochs": 10,
            "epochs": 14,
            "batch_size": 32,
            "weight_learning_rate": 0.1,
            "training_epochs": 10,
            "accelerator": "cpu",
            "threads": 1,
        }
        return cls.make(**{**numbers, **changes})
