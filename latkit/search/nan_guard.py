"""Losses and weights that are no longer numbers: found within a few steps, without a wait in every one."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from latkit.errors import LatkitError

LOSSES_AT_ONCE = 32
"""Losses that are checked at once on an accelerator, whose numbers are waited for; on the CPU, every one is."""

REMEDIES = {
    "search": "a lower weight_learning_rate or architecture_learning_rate",
    "training": "a lower training_learning_rate",
}
"""By the name of the phase."""


class LossWatch:
    """Keeps the losses since the last check, and at a check stops at the first that is no number."""

    def __init__(self, phase: str, steps_per_epoch: int, device: torch.device) -> None:
        self.phase = phase
        self.steps_per_epoch = steps_per_epoch
        self.every = 1 if device.type == "cpu" else LOSSES_AT_ONCE
        self._recent: list[tuple[int, str, Tensor]] = []

    def note(self, step: int, name: str, loss: Tensor) -> None:
        """Take in a scalar loss of a step, counted from 0. Raises LatkitError as `check` does, where it is due."""
        self._recent.append((step, name, loss.detach()))
        if len(self._recent) >= self.every:
            self.check()

    def check(self) -> None:
        """Raise LatkitError naming the first loss that is no number, and its step."""
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
    """Raise LatkitError where a weight is no number: such weights are neither kept nor exported."""
    numbers = [weight.detach() for weight in weights if weight.is_floating_point()]
    if not math.isfinite(float(get_total_norm(numbers, math.inf))):
        raise LatkitError(
            f"{phase}: expected weights that are finite numbers, but found others; the checkpoint from before is kept. "
            f"{_remedy(phase)}"
        )


def _remedy(phase: str) -> str:
    return (
        f"Begin another search with {REMEDIES[phase]}, or with precision=32-true if this one had bf16-mixed: resumed, "
        "it comes to the same step again"
    )


def _values(scalars: list[Tensor]) -> list[float]:
    """All of them at once, on the device of the first: one wait for an accelerator."""
    if not scalars:
        return []
    values: list[float] = torch.stack([scalar.float().to(scalars[0].device) for scalar in scalars]).tolist()
    return values
