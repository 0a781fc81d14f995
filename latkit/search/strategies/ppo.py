"""The controller trained by proximal policy optimization (Schulman et al. 2017, arXiv 1707.06347, eq. 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latkit.errors import UsageError
from latkit.search.goals import Goals
from latkit.search.strategies.controller import Array, Reinforce, ReinforceSettings
from latkit.spaces.base import Architecture, Space


@dataclass(frozen=True)
class PpoSettings(ReinforceSettings):
    """Batches and clipping of PPO."""

    batch: int = 10
    """Verdicts of one update."""
    epochs: int = 5
    """Gradient steps on every batch."""
    clip: float = 0.2
    """Range of the probability ratio beyond which a step gains nothing (epsilon)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch < 1 or self.epochs < 1 or not 0 < self.clip < 1:
            raise UsageError("ppo: expected a batch and epochs of at least 1, and a clip between 0 and 1")


class Ppo(Reinforce):
    """Collects a batch of draws and takes several steps on it; each choice has a clipped ratio of its own."""

    name: ClassVar[str] = "ppo"
    summary: ClassVar[str] = "the same controller, proximal policy optimization (MnasNet)"
    settings_type: ClassVar[type[Any]] = PpoSettings

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        super().__init__(space, goals, seed, settings)
        self._batch: list[tuple[Architecture, float, Array]] = []

    def learn(self, architecture: Architecture, advantage: float) -> None:
        """Add to the batch, with the probability of each option; update the policy where the batch is full."""
        self._batch.append((architecture, advantage, self._taken(architecture)))
        if len(self._batch) == self.settings.batch:
            for _ in range(self.settings.epochs):
                self._update()
            self._batch = []

    def _taken(self, architecture: Architecture) -> Array:
        found: Array = self.policy.probabilities()[np.arange(len(architecture)), list(architecture)]
        return np.maximum(found, 1e-9)

    def _update(self) -> None:
        """One step along the gradient of the clipped objective."""
        gradient = np.zeros_like(self.policy.logits)
        clip = self.settings.clip
        for architecture, advantage, before in self._batch:
            ratio = self._taken(architecture) / before
            is_open = ratio < 1 + clip if advantage > 0 else ratio > 1 - clip
            gradient += (advantage * ratio * is_open)[:, None] * self.policy.score(architecture)
        self.policy.logits = self.policy.logits + self.settings.learning_rate * gradient / self.settings.epochs
