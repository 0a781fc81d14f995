"""The learner: turns one batch into one step of the architecture's parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from latkit.search.distribution import PathDistribution
from latkit.search.gates import PathRule
from latkit.search.objective import Objective
from latkit.search.supernet import Supernet
from latkit.tables import LatencyTable

BETAS = (0.0, 0.999)
"""Adam's, as the paper has them: without momentum, a logit that was not drawn does not move."""


class Learner(Protocol):
    """One way to learn the distribution over architectures: by gradient here; a policy gradient has the same verbs."""

    def step(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Learn from a batch. Gives its task loss and class scores, both detached."""

    def state(self) -> dict[str, Any]:
        """What `load_state` needs to go on: tensors, numbers, lists and dicts only."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""


class GradientLearner:
    """Learns by the gates' gradients (Cai et al. 2019, section 3.2).

    The weights are frozen: only the gates' gradients are computed. Batch norm uses the batch's statistics, as in the
    authors' code, since the running ones lag behind weights that other paths have trained.

    Expected latency is linear in the probabilities, as the network's output is in the gates. So dE/dp_j is added to
    dL/dg_j and both go through the path rule together: task and latency are traded on the same pairs of candidates,
    and a candidate that was not drawn keeps its probability.
    """

    def __init__(
        self,
        supernet: Supernet,
        distribution: PathDistribution,
        table: LatencyTable,
        objective: Objective,
        rule: PathRule,
        fabric: Fabric,
        learning_rate: float,
        label_smoothing: float = 0.0,
    ) -> None:
        self.supernet = supernet
        self.distribution = distribution
        self.table = table
        self.objective = objective
        self.rule = rule
        self.fabric = fabric
        self.label_smoothing = label_smoothing
        self.optimizer = torch.optim.Adam(distribution.parameters(), lr=learning_rate, betas=BETAS)

    def step(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One architecture step on images (N, C, H, W) and labels (N,)."""
        draw = self.rule.draw(self.distribution, generator)
        gates = draw.paths.gates
        assert gates is not None
        paths = dataclasses.replace(draw.paths, gates=gates.to(images.device))
        with self.fabric.autocast():
            scores = self.supernet(images, paths)
            task_loss = F.cross_entropy(scores, labels, label_smoothing=self.label_smoothing)
        probabilities = self.distribution.probabilities().detach().requires_grad_()
        expected_s = self.table(probabilities).to(task_loss.device)
        # asking for these two gradients only, autograd computes none of the weights'
        loss = self.objective(task_loss, expected_s)
        by_gate, by_probability = torch.autograd.grad(loss, (gates, probabilities), allow_unused=True)
        if by_probability is not None:
            by_gate = by_gate + by_probability.gather(1, draw.indices)
        averaged = self.fabric.all_reduce(by_gate, reduce_op="mean")  # all ranks draw the same paths
        assert isinstance(averaged, Tensor)
        self._apply(self.rule.gradient(self.distribution, draw, averaged))
        self.rule.settle(self.distribution, draw)
        self.objective.update(self.expected_s())
        return task_loss.detach(), scores.detach()

    def _apply(self, gradient: Tensor) -> None:
        self.distribution.logits.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad()

    def expected_s(self) -> float:
        """Expected latency of the distribution as it stands, in seconds."""
        with torch.no_grad():
            return float(self.table(self.distribution.probabilities()))

    def state(self) -> dict[str, Any]:
        """Logits, optimiser and objective."""
        return {
            "logits": self.distribution.logits.detach(),
            "optimizer": self.optimizer.state_dict(),
            "objective": self.objective.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        with torch.no_grad():
            self.distribution.logits.copy_(state["logits"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.objective.load_state(state["objective"])
