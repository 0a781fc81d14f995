"""Deep deterministic policy gradient (Lillicrap et al. 2016), in the variant of Wang et al. 2019, section 3.4."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from latkit._io.arrays import Floats
from latkit.errors import UsageError


@dataclass(frozen=True)
class AgentSettings:
    """The agent's numbers; the defaults are those of the authors' code."""

    hidden1: int = 300
    hidden2: int = 300
    actor_rate: float = 1e-4
    critic_rate: float = 1e-3
    batch: int = 64
    replay: int = 2000
    """Transitions that are remembered."""
    target_rate: float = 0.01
    """Share by which the target networks move toward the trained ones in a step."""
    baseline_decay: float = 0.95
    """Of the moving average of rewards, which is subtracted from every reward."""
    noise: float = 0.5
    """Standard deviation of the exploration noise in the first episode after the warm-up."""
    noise_decay: float = 0.99
    """Factor of the noise per episode."""

    def __post_init__(self) -> None:
        if (
            min(self.actor_rate, self.critic_rate, self.batch, self.replay, self.hidden1, self.hidden2) <= 0
            or self.noise < 0
        ):
            raise UsageError("agent: expected positive rates, sizes and batches, and noise of at least 0")


class Transition(NamedTuple):
    """One layer of an episode."""

    state: Floats
    action: float
    reward: float
    next_state: Floats
    is_last: bool


class Agent:
    """An actor from observations to an action in 0 to 1, and a critic of both, each with a slow target network."""

    def __init__(self, state_size: int, settings: AgentSettings, seed: int) -> None:
        self.settings = settings
        self.rng = np.random.default_rng([seed, 11])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.actor = _network(state_size, settings, bounded=True)
            self.critic = _network(state_size + 1, settings, bounded=False)
        self.slow_actor, self.slow_critic = deepcopy(self.actor), deepcopy(self.critic)
        self._actor_steps = torch.optim.Adam(self.actor.parameters(), settings.actor_rate)
        self._critic_steps = torch.optim.Adam(self.critic.parameters(), settings.critic_rate)
        self._memory: deque[Transition] = deque(maxlen=settings.replay)
        self._baseline: float | None = None
        self._noise = settings.noise

    def act(self, state: Floats) -> float:
        """The actor's action with noise, drawn from a normal distribution cut off at 0 and 1."""
        with torch.no_grad():
            mean = float(self.actor(torch.from_numpy(state).float()))
        for _ in range(1000):
            if 0.0 <= (drawn := float(self.rng.normal(mean, self._noise))) <= 1.0:
                return drawn
        return min(max(mean, 0.0), 1.0)

    def learn(self, episode: Sequence[Transition]) -> None:
        """Remember an episode, whose transitions all have its final reward, and take a step for each of them."""
        reward, decay = episode[-1].reward, self.settings.baseline_decay
        self._memory.extend(episode)
        self._baseline = reward if self._baseline is None else decay * self._baseline + (1 - decay) * reward
        with _one_thread():
            for _ in episode:
                self._step()
        self._noise *= self.settings.noise_decay

    def remember(self, episode: Sequence[Transition]) -> None:
        """Remember an episode of the warm-up."""
        self._memory.extend(episode)

    def _step(self) -> None:
        """One step of critic and actor on a batch of transitions."""
        chosen = self.rng.integers(len(self._memory), size=self.settings.batch)
        batch = [self._memory[at] for at in chosen]
        states, next_states = (_rows([getattr(one, name) for one in batch]) for name in ("state", "next_state"))
        actions, rewards = (_column([getattr(one, name) for one in batch]) for name in ("action", "reward"))
        with torch.no_grad():
            later = self.slow_critic(torch.cat([next_states, self.slow_actor(next_states)], 1))
            expected = rewards - (self._baseline or 0.0) + later * _column([not one.is_last for one in batch])
        loss = (self.critic(torch.cat([states, actions], 1)) - expected).square().mean()
        _descend(self._critic_steps, loss)
        _descend(self._actor_steps, -self.critic(torch.cat([states, self.actor(states)], 1)).mean())
        for slow, fast in ((self.slow_actor, self.actor), (self.slow_critic, self.critic)):
            for target, new in zip(slow.parameters(), fast.parameters(), strict=True):
                target.data.lerp_(new.data, self.settings.target_rate)


def _network(inputs: int, settings: AgentSettings, bounded: bool) -> nn.Sequential:
    first, second = settings.hidden1, settings.hidden2
    layers: list[nn.Module] = [nn.Linear(inputs, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU()]
    last = nn.Linear(second, 1)
    nn.init.uniform_(last.weight, -3e-3, 3e-3)  # so that the first actions and values are near 0 (Lillicrap, sec. 7)
    return nn.Sequential(*layers, last, *([nn.Sigmoid()] if bounded else []))


def _rows(values: Sequence[Floats]) -> Tensor:
    return torch.from_numpy(np.stack(values)).float()


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None]


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Context manager: such small networks are faster on one thread, and their last bits do not depend on others."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
