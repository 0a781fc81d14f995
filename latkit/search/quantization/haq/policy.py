"""HAQ's sequential policy: an agent that goes from layer to layer, and the budget rule (Wang et al. 2019, sec. 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from latkit.errors import UsageError
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import Goals
from latkit.search.quantization.haq.budget_rule import within_budget
from latkit.search.quantization.haq.ddpg import Agent, AgentSettings, Transition
from latkit.search.quantization.haq.observations import STATE_SIZE, observations
from latkit.search.quantization.problem import PolicyProblem, known_policies
from latkit.search.strategies.base import Strategy
from latkit.spaces import Architecture

REWARD_SCALE = 0.1
"""Lambda of the reward, for a score in percent (section 3.5)."""


@dataclass(frozen=True)
class HaqSettings:
    """Length of the search, and what a verdict is compared with."""

    episodes: int = 300
    warmup_episodes: int = 20
    """Episodes of uniformly drawn actions before the agent acts."""
    original: float = 0.0
    """The goal's value of the network before it is quantized."""
    scale: float = 100.0
    """Factor of the goal's value that gives percent."""
    agent: AgentSettings = field(default_factory=AgentSettings)

    def __post_init__(self) -> None:
        if self.episodes < 1 or self.warmup_episodes < 0:
            raise UsageError(
                f"haq: expected at least 1 episode and 0 of warm-up, but found {self.episodes} and "
                f"{self.warmup_episodes}"
            )


class HaqPolicy(Strategy):
    """Deep deterministic policy gradient over the layers of a network.

    The action of a layer, 0 to 1, is rounded to one of its precisions (equation 2). The policy of an episode meets the
    bound by the budget rule before it is evaluated. The first episodes are the cheapest policy and the uniform ones
    that meet the bound, so that the search never ends with a worse one. The reward is 0.1 x (score - score before
    quantization), with scores in percent (equation 4).
    """

    name: ClassVar[str] = "haq"
    summary: ClassVar[str] = "an agent chooses the precision of layer after layer, DDPG (Wang et al. 2019)"
    is_distinct: ClassVar[bool] = False
    settings_type: ClassVar[type[Any]] = HaqSettings

    def __init__(
        self, problem: PolicyProblem, goals: Goals, seed: int = 0, settings: HaqSettings | None = None
    ) -> None:
        super().__init__(problem.space, goals, seed, settings)
        self.problem = problem
        self._observations = observations(problem.space)
        self._agent = Agent(STATE_SIZE, self.settings.agent, seed)
        self._generator = np.random.default_rng([seed, 13])
        self._options = [len(row) for row in problem.rows]
        self._first = known_policies(problem)
        self._pending: list[list[float]] = []
        """The actions of the episodes whose policy is being evaluated."""
        self._begun = 0

    def propose(self) -> Architecture | None:
        """The policy of the next episode; None after the last one."""
        if self._begun >= self.settings.episodes:
            return None
        number, self._begun = self._begun, self._begun + 1
        if number < min(len(self._first), self.settings.warmup_episodes):
            return self._begin(self._first[number])
        warm = number < self.settings.warmup_episodes
        actions: list[float] = []
        for place in range(len(self._options)):
            state = self._state(place, actions[-1] if actions else 0.0)
            actions.append(float(self._generator.random()) if warm else self._agent.act(state))
        drawn = [_option(action, count) for action, count in zip(actions, self._options, strict=True)]
        return self._begin(within_budget(self.problem, drawn))

    def _begin(self, policy: Architecture) -> Architecture:
        """The agent learns from what was done, not from what it wanted, as in the authors' code."""
        self._pending.append([_action(option, count) for option, count in zip(policy, self._options, strict=True)])
        return policy

    def tell(self, architecture: Architecture, verdict: Verdict) -> None:  # noqa: ARG002 - the oldest pending one
        """Learn from the reward of the oldest pending episode; nothing from a failure."""
        actions = self._pending.pop(0)
        if verdict.failure:
            return
        reward = REWARD_SCALE * self.settings.scale * (self.goals.goals[0].value(verdict) - self.settings.original)
        states = [self._state(place, actions[place - 1] if place else 0.0) for place in range(len(actions))]
        episode = [
            Transition(state, action, reward, states[min(place + 1, len(states) - 1)], place + 1 == len(states))
            for place, (state, action) in enumerate(zip(states, actions, strict=True))
        ]
        if self._begun <= self.settings.warmup_episodes:
            self._agent.remember(episode)
        else:
            self._agent.learn(episode)

    def _state(self, place: int, action_before: float) -> Any:
        state = self._observations[place].copy()
        state[-1] = action_before
        return state


def _option(action: float, count: int) -> int:
    """The option of an action from 0 to 1: round(min - 0.5 + action x (max - min + 1)), within the options."""
    return min(int(action * count), count - 1)


def _action(option: int, count: int) -> float:
    """The middle of the actions that an option stands for."""
    return (option + 0.5) / count
