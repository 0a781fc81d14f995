"""Settings of a search: every number that a user may change, with defaults that fit the data."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from latkit._io import describe_error
from latkit.errors import UsageError
from latkit.search.tasks import DEFAULT_TASK


class SearchSettings(BaseModel):
    """Settings of a search and of the training of its result. Frozen; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0)
    task: str = DEFAULT_TASK
    """What the network is trained for; its name in `TASKS`."""

    # the search: epochs are passes over the half of the training images that trains weights
    warmup_epochs: int = Field(10, ge=0)
    """Epochs that train weights only, on paths drawn uniformly."""
    epochs: int = Field(40, ge=1)
    """Epochs that train weights and architecture in alternation."""
    batch_size: int = Field(64, ge=2)
    weight_steps: int = Field(1, ge=1)
    """Weight steps for every architecture step."""
    architecture_share: float = Field(0.5, gt=0, lt=1)
    """Share of the training images that architecture steps see, and weight steps do not."""
    weight_learning_rate: float = Field(0.05, gt=0)
    architecture_learning_rate: float | None = Field(None, gt=0)
    """Adam's, when architecture steps begin; by default 16 over their number."""
    architecture_rate_growth: float = Field(8.0, ge=1)
    """Final over initial learning rate of the architecture; the architecture is decided at the end."""
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(4e-5, ge=0)
    label_smoothing: float = Field(0.1, ge=0, lt=1)

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
    distillation_weight: float = Field(0.5, ge=0, le=1)
    """With a teacher: the weight of its part of the loss; the labels have the rest."""
    distillation_temperature: float = Field(4.0, gt=0)
    """With a teacher: how much both networks' scores are softened before they are compared."""
    evaluation_epochs: int = Field(5, ge=0)
    """Interval in epochs at which, and after the last, the metric on the test images goes into the curves. It is not
    used for selection. 0: never."""
    export_tflite: bool = True
    """Whether the network is written for TFLite besides ONNX, where litert-torch is installed."""

    # both
    ramp_share: float = Field(0.1, ge=0, lt=1)
    """Share of the steps in which the learning rate rises to its peak, before it falls as a cosine."""
    crop_padding: int = Field(2, ge=0)
    """Pixels by which augmentation may move an image."""
    flip: bool | None = None
    """Whether augmentation mirrors images; by default, decided by the data."""
    workers: int = Field(2, ge=0)
    """Number of processes that decode image files; in an evaluation, of threads."""
    accelerator: str = "auto"
    """Lightning Fabric's: `auto`, `cpu`, `cuda`, ..."""
    threads: int | None = Field(None, ge=1)
    """torch's threads on the CPU, restored afterwards; by default torch's own number. A result depends on them in its
    last bits. Where other processes use the same cores, one thread is far faster than several that wait for each
    other."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    sync_batch_norm: bool = True
    """Whether several processes normalize their parts of a batch together, as one process would the full batch."""
    deterministic: bool = True
    """Whether a GPU must compute deterministically, which may take longer; a CPU always does."""
    checkpointing: bool = False
    """Whether blocks save only their input for the backward pass, and run twice: far less memory, up to half more time,
    the same result to the bit."""
    checkpoint_seconds: float = Field(300.0, gt=0)
    """A checkpoint is written after every epoch, and within one after this much time."""

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

    @classmethod
    def make(cls, **values: object) -> SearchSettings:
        """Settings from text that a user wrote. Raises UsageError with the first invalid one."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UsageError(f"search settings: {describe_error(error, with_input=True)}") from error
