"""Settings of every training: what a search, a supernet's curriculum and their networks have in common."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from latkit._io import describe_error, did_you_mean
from latkit._io.fields import Seed
from latkit.errors import UsageError
from latkit.search.tasks import DEFAULT_TASK

MAX_EVALUATED = 256
"""Maximum number of images evaluated at once: larger batches are hardly faster."""


class TrainingSettings(BaseModel):
    """Settings of a training. Frozen; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    subject: ClassVar[str] = "training"
    """For errors."""

    seed: Seed = 0
    task: str = DEFAULT_TASK
    """What the network is trained for; its name in `TASKS`."""
    batch_size: int = Field(64, ge=2)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(4e-5, ge=0)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    distillation_weight: float = Field(0.5, ge=0, le=1)
    """With a teacher: the weight of its part of the loss; the labels have the rest."""
    distillation_temperature: float = Field(4.0, gt=0)
    """With a teacher: how much both networks' scores are softened before they are compared."""
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

    @property
    def evaluation_batch_size(self) -> int:
        """Images evaluated at once: no more than in training, which is known to fit into memory."""
        return min(self.batch_size, MAX_EVALUATED)

    @property
    def batch_sizes(self) -> dict[str, int]:
        """The settings that memory grows with, by name."""
        return {"batch_size": self.batch_size}

    @classmethod
    def make(cls, **values: object) -> Self:
        """Settings from text that a user wrote. Raises UsageError with the first invalid one."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            unknown = [name for name in values if name not in cls.model_fields]
            found = f"unknown setting {unknown[0]!r}{did_you_mean(unknown[0], cls.model_fields)}" if unknown else ""
            raise UsageError(f"{cls.subject} settings: {found or describe_error(error, with_input=True)}") from error
