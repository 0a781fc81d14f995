"""The controller trained by proximal policy optimization (Schulman et al. 2017, arXiv 1707.06347, eq. 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latkit._io.arrays import Floats
from latkit.errors import UsageError
from latkit.search.goals import Goals
from latkit.search.strategies.controllers.controller import Reinforce, ReinforceSettings
from latkit.spaces.base import Architecture, Space

MIN_PROBABILITY = 1e-9


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
    summary: ClassVar[str] = "controller with one distribution per choice, proximal policy optimization (MnasNet)"
    settings_type: ClassVar[type[Any]] = PpoSettings

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        super().__init__(space, goals, seed, settings)
        self._batch: list[tuple[Architecture, float, Floats]] = []

    def learn(self, architecture: Architecture, advantage: float) -> None:
        """Add to the batch, with the probability of each option; update the policy where the batch is full."""
        self._batch.append((architecture, advantage, np.maximum(self.policy.taken([architecture])[0], MIN_PROBABILITY)))
        if len(self._batch) == self.settings.batch:
            for _ in range(self.settings.epochs):
                self._update()
            self._batch = []

    def _update(self) -> None:
        """One step along the gradient of the clipped objective, and of the log probabilities of the best."""
        drawn, elites = [architecture for architecture, _, _ in self._batch], self.elites()
        advantages = np.array([advantage for _, advantage, _ in self._batch])[:, None]
        before = np.stack([taken for _, _, taken in self._batch])
        ratio = np.maximum(self.policy.taken([*drawn, *elites])[: len(drawn)], MIN_PROBABILITY) / before
        clip = self.settings.clip
        is_open = np.where(advantages > 0, ratio < 1 + clip, ratio > 1 - clip)
        share = self.settings.imitation * len(drawn) / max(len(elites), 1)
        weights = np.concatenate((advantages * ratio * is_open, np.full((len(elites), ratio.shape[1]), share)))
        self.policy.ascend([*drawn, *elites], weights / self.settings.epochs)
