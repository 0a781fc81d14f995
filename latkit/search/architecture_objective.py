"""What a distribution over architectures is learned for besides the task: a latency, and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from latkit.search.constraints import Limits
from latkit.search.distribution import PathDistribution
from latkit.search.objective import Objective
from latkit.tables import LatencyTable


@dataclass(frozen=True, slots=True)
class ArchitectureObjective:
    """A distribution, and what weighs its expected latency and other quantities against the task."""

    distribution: PathDistribution
    table: LatencyTable
    objective: Objective
    limits: Limits = field(default_factory=Limits)
    initial_latency_s: float | None = None
    """Expected latency, in seconds, at which the architecture steps begin; None where they begin undecided."""

    def begin(self) -> None:
        """Make the distribution what the first architecture step is to find.

        From undecided logits to a target far away, latency alone would decide: it would make candidates improbable
        before the task has had a say, and Adam, which measures its steps by the largest gradients of the last thousand
        steps, would hardly see the task's beside them.
        """
        if self.initial_latency_s is not None:
            with torch.no_grad():
                self.distribution.logits.copy_(max_entropy_logits(self.table, self.initial_latency_s))

    def expected_s(self) -> float:
        """Expected latency of the distribution as it stands, in seconds."""
        with torch.no_grad():
            return float(self.table(self.distribution.probabilities()))

    def adapt(self) -> None:
        """Let objective and limits take note of the distribution as it stands."""
        self.objective.update(self.expected_s())
        self.limits.update(self.distribution.probabilities().detach())

    def state(self) -> dict[str, Any]:
        """Logits, objective and limits."""
        return {
            "logits": self.distribution.logits.detach(),
            "objective": self.objective.state(),
            "limits": self.limits.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        with torch.no_grad():
            self.distribution.logits.copy_(state["logits"])
        self.objective.load_state(state["objective"])
        self.limits.load_state(state["limits"])


MARGIN = 0.02
"""How near the fastest and the slowest network an open distribution can begin, in shares of the way between them."""


def max_entropy_logits(table: LatencyTable, expected_s: float) -> Tensor:
    """Logits, shape (choices, candidates), of the greatest entropy among those with an expected latency.

    They are -rate x seconds, with one rate for all choices (Jaynes 1957). Expected latency falls with the rate, which
    is found by bisection. Zeros where no candidate stands.
    """
    fastest_s, slowest_s = table.fastest(), table.slowest()
    range_s = slowest_s - fastest_s
    clamped_s = min(max(expected_s, fastest_s + MARGIN * range_s), slowest_s - MARGIN * range_s)
    relative = (table.seconds / range_s).double().masked_fill(~table.mask, 0.0)
    lower, upper = -1e4, 1e4
    for _ in range(100):
        rate = (lower + upper) / 2
        probabilities = (-rate * relative).masked_fill(~table.mask, -torch.inf).softmax(-1)
        lower, upper = (
            (rate, upper) if float(table(probabilities.to(table.seconds.dtype))) > clamped_s else (lower, rate)
        )
    return (-rate * relative).to(table.seconds.dtype)
