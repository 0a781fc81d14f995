"""A controller with one categorical distribution per choice, trained by REINFORCE (Williams 1992)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from latkit.errors import UsageError
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import INSIDE, Goals, Rank
from latkit.search.strategies.base import Strategy
from latkit.search.strategies.controllers.policies import FactorizedPolicy, Policy
from latkit.search.strategies.controllers.rewards import BEYOND, WITHIN, mnasnet_reward
from latkit.search.strategies.moves import Neighborhood
from latkit.spaces.base import Architecture, Space

DRAWS = (6, 24)
"""Draws of the controller at a time, of which the first new one is taken; where all are known, a neighbor of the best.
Several draws at a time cost little more than one."""


@dataclass(frozen=True)
class ReinforceSettings:
    """Step size, baseline and reward of REINFORCE."""

    learning_rate: float = 0.3
    baseline_decay: float = 0.9
    """Of the moving average and spread of rewards, which the advantage is relative to."""
    reward_exponent: float = WITHIN
    """MnasNet's alpha: of the ratio of a bounded quantity to its bound, where it is met."""
    excess_exponent: float = BEYOND
    """MnasNet's beta: where it is not met."""
    imitation: float = 1.0
    """Weight of the log probability of the best, beside that of what was drawn; 0 for none."""
    elites: int = 2
    """The best architectures within the bounds, which are imitated."""

    def __post_init__(self) -> None:
        if not self.learning_rate > 0 or not 0 <= self.baseline_decay < 1:
            raise UsageError(
                "controller: expected a learning rate above 0 and a baseline decay from 0 to below 1, "
                f"but found {self.learning_rate} and {self.baseline_decay}"
            )
        if self.imitation < 0 or self.elites < 1:
            raise UsageError(
                "controller: expected an imitation of at least 0 and at least one elite, "
                f"but found {self.imitation} and {self.elites}"
            )


class Reinforce(Strategy):
    """Draws from the policy without repetition, and reinforces draws above the moving average of rewards.

    The best are imitated besides, since few queries are left to draw them again (priority queue training, Abolafia et
    al. 2018, arXiv 1801.03526).
    """

    name: ClassVar[str] = "reinforce"
    summary: ClassVar[str] = "controller with one distribution per choice, REINFORCE, MnasNet's reward"
    settings_type: ClassVar[type[Any]] = ReinforceSettings

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        super().__init__(space, goals, seed, settings)
        self.policy = self.make_policy(np.random.default_rng([seed, 7]))
        self._neighborhood = Neighborhood(self)
        self._drawn: dict[Architecture, Architecture] = {}
        """By canonical form, the architecture that the policy drew."""
        self._best: list[tuple[Rank, Architecture, Architecture]] = []
        """Rank, canonical form, and what the policy drew; the best first."""
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
        self._best = sorted([*self._best, (rank, architecture, drawn)], reverse=True)[: self.settings.elites]
        self.learn(drawn, self._advantage(verdict))

    def learn(self, architecture: Architecture, advantage: float) -> None:
        """One step along the gradient of the log probability times the advantage, and of that of one of the best."""
        rows, weights = [architecture], [advantage]
        if elites := self.elites():
            rows.append(elites[self.rng.randrange(len(elites))])
            weights.append(self.settings.imitation)
        self.policy.ascend(rows, np.repeat(np.array(weights)[:, None], len(architecture), axis=1))

    def elites(self) -> list[Architecture]:
        """What is imitated, as the policy drew it."""
        return [drawn for rank, _, drawn in self._best if rank[0] == INSIDE and self.settings.imitation]

    def _advantage(self, verdict: Verdict) -> float:
        """The reward relative to the moving average, in units of the moving spread, from -3 to 3."""
        reward = mnasnet_reward(self.goals, verdict, self.settings.reward_exponent, self.settings.excess_exponent)
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
        for count in DRAWS:
            for drawn in dict.fromkeys(self.policy.draw(count)):
                if self._is_valid(drawn) and (new := self.canonical(drawn)) not in self.requested:
                    self._drawn[new] = drawn
                    return new
        return self._neighborhood.mutate(self._best[0][1]) if self._best else self.sample_new()

    def _is_valid(self, architecture: Architecture) -> bool:
        try:
            self.space.check(architecture)
        except UsageError:
            return False
        return True
