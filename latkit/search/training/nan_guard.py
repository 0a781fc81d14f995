"""Detects losses and weights that are not finite within a few steps, without a device wait in every step."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from latkit.errors import LatkitError

LOSSES_AT_ONCE = 32
"""Number of losses that are checked together on an accelerator, to avoid waiting; on the CPU, each is checked."""

REMEDIES = {
    "search": "a lower weight_learning_rate or architecture_learning_rate",
    "training": "a lower training_learning_rate",
}
"""Advice by the name of the phase."""


class LossWatch:
    """Holds the losses since the last check, and raises at the first that is not finite."""

    def __init__(self, phase: str, steps_per_epoch: int, device: torch.device) -> None:
        self.phase = phase
        self.steps_per_epoch = steps_per_epoch
        self.every = 1 if device.type == "cpu" else LOSSES_AT_ONCE
        self._recent: list[tuple[int, str, Tensor]] = []

    def note(self, step: int, name: str, loss: Tensor) -> None:
        """Add the scalar loss of a step, counted from 0. Raises LatkitError as `check` does, when a check is due."""
        self._recent.append((step, name, loss.detach()))
        if len(self._recent) >= self.every:
            self.check()

    def check(self) -> None:
        """Raise LatkitError with the first loss that is not finite, and its step."""
        recent, self._recent = self._recent, []
        for (step, name, _), value in zip(recent, _values([loss for _, _, loss in recent]), strict=True):
            if not math.isfinite(value):
                epoch, within = divmod(step, self.steps_per_epoch)
                raise LatkitError(
                    f"{self.phase}, step {step + 1} (epoch {epoch + 1}, step {within + 1} of {self.steps_per_epoch}): "
                    f"expected {name} to be a finite number, but found {value}; the checkpoint from before it is kept. "
                    f"{_remedy(self.phase)}"
                )


def check_weights(weights: Iterable[Tensor], phase: str) -> None:
    """Raise LatkitError where a weight is not finite: such weights are neither saved nor exported."""
    numbers = [weight.detach() for weight in weights if weight.is_floating_point()]
    if not math.isfinite(float(get_total_norm(numbers, math.inf))):
        raise LatkitError(
            f"{phase}: expected weights that are finite numbers, but found others; the checkpoint from before is kept. "
            f"{_remedy(phase)}"
        )


def _remedy(phase: str) -> str:
    return (
        f"Begin another search with {REMEDIES[phase]}, or with precision=32-true if this one had bf16-mixed: resumed, "
        "it reaches the same step again"
    )


def _values(scalars: list[Tensor]) -> list[float]:
    """All of them as one tensor, on the device of the first: one wait for an accelerator."""
    if not scalars:
        return []
    values: list[float] = torch.stack([scalar.float().to(scalars[0].device) for scalar in scalars]).tolist()
    return values
