"""What a distribution over architectures is learned for besides the task: a latency, and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from latkit.search.constraints import Limits
from latkit.search.distribution import PathDistribution
from latkit.search.objective import Objective
from latkit.tables import LatencyTable


@dataclass(frozen=True, slots=True)
class Aim:
    """A distribution, and what weighs its expected latency and other quantities against the task."""

    distribution: PathDistribution
    table: LatencyTable
    objective: Objective
    limits: Limits = field(default_factory=Limits)

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
