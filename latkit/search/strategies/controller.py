"""A controller with one categorical distribution per choice, trained by REINFORCE (Williams 1992)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latkit.errors import UsageError
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import Goals, Rank
from latkit.search.strategies.base import Strategy
from latkit.search.strategies.moves import Neighborhood
from latkit.search.strategies.policies import FactorizedPolicy, Policy
from latkit.search.strategies.rewards import EXPONENT, mnasnet_reward
from latkit.spaces.base import Architecture, Space

MAX_DRAWS = 30
"""Draws of the controller in a row that may be known before a neighbor of the best is taken."""
DRAWS = 6
"""Draws at a time, of which the first new one is taken."""


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


class Reinforce(Strategy):
    """Draws from the policy without repetition, and reinforces draws above the moving average of rewards."""

    name: ClassVar[str] = "reinforce"
    summary: ClassVar[str] = "controller with one distribution per choice, REINFORCE, MnasNet's reward"
    settings_type: ClassVar[type[Any]] = ReinforceSettings

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        super().__init__(space, goals, seed, settings)
        self.policy = self.make_policy(np.random.default_rng([seed, 7]))
        self._neighborhood = Neighborhood(self)
        self._drawn: dict[Architecture, Architecture] = {}
        """By canonical form, the architecture that the policy drew."""
        self._best: tuple[Rank, Architecture] | None = None
        self._mean: float | None = None
        self._variance = 0.0

    def make_policy(self, generator: np.random.Generator) -> Policy:
        """The policy before anything is learned."""
        return FactorizedPolicy(self.space, generator, self.settings.learning_rate)

    def tell(self, architecture: Architecture, verdict: Verdict) -> None:
        """One gradient step; a failure counts as one spread below the mean.

        What a bound refused before it was evaluated teaches nothing: it cost nothing, and its reward is unknown. Else
        the policy would learn to stay far from the bound, where the best networks are near it.
        """
        drawn, rank = self._drawn.pop(architecture, architecture), self.goals.rank(verdict)
        if not verdict.failure and self.goals.goals[0].quantity not in verdict.quantities:
            return
        self._best = max(self._best or (rank, architecture), (rank, architecture))
        self.learn(drawn, self._advantage(verdict))

    def learn(self, architecture: Architecture, advantage: float) -> None:
        """One step along the gradient of the log probability, times the advantage."""
        self.policy.ascend([architecture], np.full((1, len(architecture)), advantage))

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
        """A draw of the policy that is new; where it draws what is known, a neighbor of the best."""
        for _ in range(MAX_DRAWS // DRAWS):
            for drawn in self.policy.draw(DRAWS):
                if self._is_valid(drawn) and (new := self.canonical(drawn)) not in self.requested:
                    self._drawn[new] = drawn
                    return new
        return self.sample_new() if self._best is None else self._neighborhood.mutate(self._best[1])

    def _is_valid(self, architecture: Architecture) -> bool:
        try:
            self.space.check(architecture)
        except UsageError:
            return False
        return True
