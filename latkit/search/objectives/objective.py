"""Objectives of the architecture steps: task loss and latency as one number to minimize, or a reward."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from latkit.errors import UsageError

LARGEST_VIOLATION = 0.1
"""Maximum absolute violation, log(latency / target), that a multiplier sees."""

LOOKAHEAD, TRAIL_RATE = 1.5, 0.25
"""Lookahead of a multiplier, and rate of its trail; see `Multiplier`."""


class Objective(Protocol):
    """Weighs the task against latency. May adapt during the search, as a multiplier does."""

    def __call__(self, task_loss: Tensor, expected_s: Tensor) -> Tensor:
        """The scalar to minimize, from the scalar task loss and the scalar expected latency in seconds."""

    def reward(self, task_reward: Tensor, seconds: Tensor, expected_s: float) -> Tensor:
        """The rewards of some paths, shape (paths,), from those of the task, 0 to 1, and their latencies in seconds.

        `expected_s` is the expected latency of the distribution that they were drawn from.
        """

    def update(self, expected_s: float) -> None:
        """Update from the expected latency, in seconds, after an architecture step."""

    @property
    def multiplier(self) -> float:
        """Current weight of a relative change of the expected latency, for the curves."""

    def state(self) -> dict[str, float]:
        """The state for `load_state`."""

    def load_state(self, state: Mapping[str, float]) -> None:
        """Restore a saved state."""


def check_target(target_s: float) -> float:
    """Return the target in seconds, or raise UsageError unless it is a positive number."""
    if not (math.isfinite(target_s) and target_s > 0):
        raise UsageError(f"expected a latency target of more than 0 ms, but found {target_s * 1e3:g} ms")
    return target_s


class Multiplier:
    """A Lagrange multiplier, learned by dual ascent on the extrapolated violation.

    After every step it rises by rate x (v + `LOOKAHEAD` (v - trail)), where the trail follows the violation v by rate x
    `TRAIL_RATE` a step. While v falls by itself, the multiplier does not wind up, and it turns before v changes its
    sign. Without that, a distribution that is decided by then would end on the wrong side of the target. To keep the
    multiplier bounded, it sees no violation larger than `LARGEST_VIOLATION`.
    """

    def __init__(self, rate: float, min_value: float = -math.inf) -> None:
        """`min_value`: its lower bound; zero for an upper bound on a quantity."""
        self.rate = rate
        self.min_value = min_value
        self.value = 0.0
        self._trail: float | None = None

    def update(self, violation: float) -> None:
        """One step of dual ascent."""
        trail = violation if self._trail is None else self._trail
        ahead = violation + LOOKAHEAD * (violation - trail)
        self._trail = trail + min(self.rate * TRAIL_RATE, 1.0) * (violation - trail)
        self.value = max(
            self.min_value, self.value + self.rate * min(max(ahead, -LARGEST_VIOLATION), LARGEST_VIOLATION)
        )

    def state(self) -> dict[str, float]:
        """Value and trail."""
        return {"multiplier": self.value} | ({} if self._trail is None else {"trail": self._trail})

    def load_state(self, state: Mapping[str, float]) -> None:
        """Restore a saved state."""
        self.value = float(state["multiplier"])
        self._trail = state.get("trail")


class AugmentedLagrangian:
    """Latency as a constraint, E[latency] = target, by the method of multipliers.

    L = task + multiplier v + damping / 2 v^2 with the violation v = log(E[latency] / target); after every step the
    multiplier rises by about rate x v (dual ascent; see `Multiplier`). The logarithm makes rate and damping independent
    of the target's size. The quadratic term reduces a large violation fast and damps oscillations of the multiplier.

    The multiplier may turn negative: a search below its target is drawn to larger candidates, so it reaches the target
    from either side. With `binding` false (no architecture is as slow as the target) latency has no effect.
    """

    def __init__(self, target_s: float, rate: float, damping: float = 8.0, binding: bool = True) -> None:
        self.target_s = check_target(target_s)
        self.damping = damping
        self.binding = binding
        self._multiplier = Multiplier(rate)

    def __call__(self, task_loss: Tensor, expected_s: Tensor) -> Tensor:
        """The Lagrangian, damped."""
        if not self.binding:
            return task_loss
        violation = torch.log(expected_s / self.target_s)
        return task_loss + self.multiplier * violation + 0.5 * self.damping * violation.square()

    def reward(self, task_reward: Tensor, seconds: Tensor, expected_s: float) -> Tensor:
        """task x (latency / target)^w: Cai et al. 2019, section 3.3.2, with an adapted exponent.

        w = -(multiplier + damping v): the power weighs a relative change of latency as the Lagrangian does, so dual
        ascent on it reaches the target.
        """
        if not self.binding:
            return task_reward
        violation = math.log(expected_s / self.target_s)
        return task_reward * (seconds / self.target_s) ** -(self.multiplier + self.damping * violation)

    def update(self, expected_s: float) -> None:
        """One step of dual ascent."""
        if self.binding:
            self._multiplier.update(math.log(expected_s / self.target_s))

    @property
    def multiplier(self) -> float:
        """The Lagrange multiplier."""
        return self._multiplier.value

    def state(self) -> dict[str, float]:
        """The multiplier's."""
        return self._multiplier.state()

    def load_state(self, state: Mapping[str, float]) -> None:
        """Restore a saved multiplier."""
        self._multiplier.load_state(state)


class _FixedWeight:
    """An objective without state."""

    def __init__(self, target_s: float, weight: float) -> None:
        self.target_s = check_target(target_s)
        self.weight = weight

    def update(self, expected_s: float) -> None:
        """Nothing to update."""

    @property
    def multiplier(self) -> float:
        """The fixed weight."""
        return self.weight

    def state(self) -> dict[str, float]:
        """Empty."""
        return {}

    def load_state(self, state: Mapping[str, float]) -> None:
        """Nothing to restore."""


class Additive(_FixedWeight):
    """task + weight (E[latency] / target - 1): Cai et al. 2019, section 3.3.1, with latency in targets."""

    def __call__(self, task_loss: Tensor, expected_s: Tensor) -> Tensor:
        """The sum."""
        return task_loss + self.weight * (expected_s / self.target_s - 1)

    def reward(self, task_reward: Tensor, seconds: Tensor, expected_s: float) -> Tensor:  # noqa: ARG002
        """task - weight (latency / target - 1)."""
        return task_reward - self.weight * (seconds / self.target_s - 1)


class Multiplicative(_FixedWeight):
    """task x (log E[latency] / log target)^weight, as in the authors' code (`mul#log`).

    They count in milliseconds with a target of 80; with a target below 1 ms the power is undefined. Here the unit is an
    eightieth of the target, which equals theirs where that is defined, and works at any target.
    """

    unit_per_target = 80.0

    def __call__(self, task_loss: Tensor, expected_s: Tensor) -> Tensor:
        """The product."""
        units = (expected_s / self.target_s * self.unit_per_target).clamp_min(1.01)
        return task_loss * (units.log() / math.log(self.unit_per_target)) ** self.weight

    def reward(self, task_reward: Tensor, seconds: Tensor, expected_s: float) -> Tensor:  # noqa: ARG002
        """task x (latency / target)^-weight: section 3.3.2, with w = -weight fixed."""
        return task_reward * (seconds / self.target_s) ** -self.weight
