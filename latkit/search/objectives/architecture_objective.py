"""The objective of the architecture steps besides the task: a latency, and constraints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from latkit.search.objectives.constraints import ConstraintMultipliers
from latkit.search.objectives.objective import Objective
from latkit.search.supernet.distribution import PathDistribution
from latkit.tables import LatencyTable


@dataclass(frozen=True, slots=True)
class ArchitectureObjective:
    """A distribution over architectures, with the terms that weigh expected latency and other quantities against the
    task."""

    distribution: PathDistribution
    table: LatencyTable
    objective: Objective
    constraints: ConstraintMultipliers = field(default_factory=ConstraintMultipliers)
    initial_latency_s: float | None = None
    """Expected latency, in seconds, at which the architecture steps begin. None: they begin with undecided logits."""

    def begin(self) -> None:
        """Set the distribution that the first architecture step starts from.

        Undecided logits far from the target would let latency alone decide: candidates would become improbable before
        the task loss counts. Adam scales its steps by the largest gradients of the last thousand steps, so the task's
        gradients would hardly count beside them.
        """
        if self.initial_latency_s is not None:
            with torch.no_grad():
                self.distribution.logits.copy_(max_entropy_logits(self.table, self.initial_latency_s))

    def expected_s(self) -> float:
        """Expected latency of the current distribution, in seconds."""
        with torch.no_grad():
            return float(self.table(self.distribution.probabilities()))

    def adapt(self) -> None:
        """Update objective and constraints from the current distribution."""
        self.objective.update(self.expected_s())
        self.constraints.update(self.distribution.probabilities().detach())

    def state(self) -> dict[str, Any]:
        """Logits, objective and constraints."""
        return {
            "logits": self.distribution.logits.detach(),
            "objective": self.objective.state(),
            "limits": self.constraints.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        with torch.no_grad():
            self.distribution.logits.copy_(state["logits"])
        self.objective.load_state(state["objective"])
        self.constraints.load_state(state["limits"])


MARGIN = 0.02
"""Distance from the fastest and the slowest network at which a distribution may begin, as a share of the range."""


def max_entropy_logits(table: LatencyTable, expected_s: float) -> Tensor:
    """Logits, shape (choices, candidates), of maximum entropy among those with the given expected latency.

    They are -rate x seconds, with one rate for all choices (Jaynes 1957). Expected latency falls with the rate, which
    is found by bisection. Zeros where there is no candidate. Of pair terms, the mean over the other choice's candidates
    is added to a candidate's seconds: an approximation, since no distribution of independent choices is exact then.
    """
    fastest_s, slowest_s = table.fastest(), table.slowest()
    range_s = slowest_s - fastest_s
    clamped_s = min(max(expected_s, fastest_s + MARGIN * range_s), slowest_s - MARGIN * range_s)
    relative = (_marginal_seconds(table) / range_s).double().masked_fill(~table.mask, 0.0)
    lower, upper = -1e4, 1e4
    for _ in range(100):
        rate = (lower + upper) / 2
        probabilities = table.softmax(-rate * relative)
        lower, upper = (
            (rate, upper) if float(table(probabilities.to(table.seconds.dtype))) > clamped_s else (lower, rate)
        )
    return (-rate * relative).to(table.seconds.dtype)


def _marginal_seconds(table: LatencyTable) -> Tensor:
    """Seconds of every candidate, shape (choices, candidates), with the mean of its pair terms."""
    uniform = (table.mask / table.mask.sum(-1, keepdim=True)).double().requires_grad_()
    with torch.enable_grad():
        (marginal,) = torch.autograd.grad(table.expected(uniform), uniform)
    return marginal
