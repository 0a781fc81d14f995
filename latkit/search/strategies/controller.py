"""A controller with one categorical distribution per choice, trained by REINFORCE (Williams 1992) or by PPO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from latkit.errors import UsageError
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import Goals
from latkit.search.strategies.base import Strategy
from latkit.search.strategies.moves import Neighborhood
from latkit.search.strategies.rewards import EXPONENT, mnasnet_reward
from latkit.spaces.base import Architecture, Space

MAX_DRAWS = 30
"""Draws of the controller in a row that may be known before a neighbor of the last one is taken."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ReinforceSettings:
    """Step size, baseline and reward of REINFORCE."""

    learning_rate: float = 0.3
    baseline_decay: float = 0.9
    """Of the moving average and spread of rewards, which the advantage is relative to."""
    reward_exponent: float = EXPONENT

    def __post_init__(self) -> None:
        if not self.learning_rate > 0 or not 0 <= self.baseline_decay < 1:
            raise UsageError(
                "controller: expected a learning rate above 0 and a baseline decay from 0 to below 1, "
                f"but found {self.learning_rate} and {self.baseline_decay}"
            )


class Policy:
    """Independent distributions over the options of every free choice, as logits padded to the most options."""

    def __init__(self, space: Space) -> None:
        self.tied = [choice.tied_to for choice in space.choices]
        sizes = [len(choice.options) for choice in space.choices]
        self.logits: Array = np.where(np.arange(max(sizes)) < np.array(sizes)[:, None], 0.0, -np.inf)

    def probabilities(self) -> Array:
        """Shape (choices, options); 0 beyond a choice's options."""
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        found: Array = shifted / shifted.sum(axis=1, keepdims=True)
        return found

    def draw(self, uniform: Array) -> tuple[int, ...]:
        """Options by inverse transform of one uniform number per choice, with ties."""
        below = np.cumsum(self.probabilities(), axis=1)[:, :-1] <= uniform[:, None]
        free = below.sum(axis=1).tolist()
        return tuple(free[at] if leader is None else free[leader] for at, leader in enumerate(self.tied))

    def score(self, architecture: Architecture) -> Array:
        """Gradient of the log probability with respect to the logits: one-hot minus probabilities."""
        found = -self.probabilities()
        found[np.arange(len(architecture)), list(architecture)] += 1
        return found


class Reinforce(Strategy):
    """Draws from the policy without repetition, and reinforces draws above the moving average of rewards."""

    name: ClassVar[str] = "reinforce"
    summary: ClassVar[str] = "controller with one distribution per choice, REINFORCE, MnasNet's reward"
    settings_type: ClassVar[type[Any]] = ReinforceSettings

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        super().__init__(space, goals, seed, settings)
        self.policy = Policy(space)
        self._generator = np.random.default_rng([seed, 7])
        self._neighborhood = Neighborhood(self)
        self._drawn: dict[Architecture, Architecture] = {}
        """By canonical form, the architecture that the policy drew."""
        self._mean: float | None = None
        self._variance = 0.0

    def tell(self, architecture: Architecture, verdict: Verdict) -> None:
        """One gradient step; a failure or an architecture refused by a bound counts as one spread below the mean."""
        self.learn(self._drawn.pop(architecture, architecture), self._advantage(verdict))

    def learn(self, architecture: Architecture, advantage: float) -> None:
        """One step along the score, times the advantage."""
        self.policy.logits = self.policy.logits + self.settings.learning_rate * advantage * self.policy.score(
            architecture
        )

    def _advantage(self, verdict: Verdict) -> float:
        """The reward relative to the moving average, in units of the moving spread, from -3 to 3."""
        reward = mnasnet_reward(self.goals, verdict, self.settings.reward_exponent)
        if reward is None:
            return -1.0
        if self._mean is None:
            self._mean = reward
            return 0.0
        decay, distance = self.settings.baseline_decay, reward - self._mean
        spread = max(self._variance**0.5, abs(distance) / 3, 1e-12)
        self._mean += (1 - decay) * distance
        self._variance = decay * self._variance + (1 - decay) * distance**2
        return float(np.clip(distance / spread, -3, 3))

    def propose(self) -> Architecture | None:
        """A draw of the policy that is new."""
        drawn: Architecture = ()
        for _ in range(MAX_DRAWS):
            drawn = self.policy.draw(self._generator.random(len(self.policy.tied)))
            if self._is_valid(drawn) and (new := self.canonical(drawn)) not in self.requested:
                self._drawn[new] = drawn
                return new
        return self._neighborhood.mutate(self.canonical(drawn)) if self._is_valid(drawn) else self.sample_new()

    def _is_valid(self, architecture: Architecture) -> bool:
        try:
            self.space.check(architecture)
        except UsageError:
            return False
        return True
