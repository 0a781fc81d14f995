"""Learners: one batch becomes one step of the architecture parameters. Here the gradient learner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from latkit.search.gradient.gates import PathRule, placed
from latkit.search.objectives.architecture_objective import ArchitectureObjective
from latkit.search.supernet.supernet import Supernet
from latkit.search.training.distributed import mean

if TYPE_CHECKING:
    from lightning_fabric import Fabric

BETAS = (0.0, 0.999)
"""Adam's, as in the paper: without momentum, a logit that was not drawn does not move."""


TaskLoss = Callable[[Tensor, Tensor], Tensor]
"""A scalar to minimize, from outputs and targets."""


@dataclass(frozen=True, slots=True)
class ArchitectureRate:
    """Adam's learning rate of the logits over a search."""

    initial: float
    growth: float = 1.0
    """Final over initial learning rate."""

    def at(self, progress: float) -> float:
        """The learning rate when a share of all architecture steps is done.

        It grows with progress: the distribution stays open while the weights are poor, and is decided at the end, even
        in a search of few steps.
        """
        return self.initial * (1 + (self.growth - 1) * progress)


class Learner(Protocol):
    """Learns the distribution over architectures: by gradient, or by a policy gradient."""

    arch_objective: ArchitectureObjective

    def step(
        self, images: Tensor, targets: Tensor, generator: torch.Generator, progress: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Learn from a batch, when the share `progress` of all architecture steps is done.

        Gives the task loss and outputs of the paths that ran, both detached.
        """

    def state(self) -> dict[str, Any]:
        """The state for `load_state`: tensors, numbers, lists and dicts only."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""


class LogitLearner:
    """Common part of the learners: Adam on the logits of their objective, and the state of both."""

    def __init__(self, arch_objective: ArchitectureObjective, rate: ArchitectureRate) -> None:
        self.arch_objective = arch_objective
        self.rate = rate
        self.optimizer = torch.optim.Adam(arch_objective.distribution.parameters(), lr=rate.initial, betas=BETAS)

    def apply(self, gradient: Tensor, progress: float) -> None:
        """One step of the logits down a gradient of their shape."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate.at(progress)
        self.arch_objective.distribution.logits.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad()

    def state(self) -> dict[str, Any]:
        """Logits, optimizer, objective and constraints."""
        return {**self.arch_objective.state(), "optimizer": self.optimizer.state_dict()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        self.arch_objective.load_state(state)
        self.optimizer.load_state_dict(state["optimizer"])


class GradientLearner(LogitLearner):
    """Learns by the gates' gradients (Cai et al. 2019, section 3.2).

    Weights are constants: only the gates' gradients are computed. Batch norm uses the batch's statistics, as in the
    authors' code, since the running ones lag behind weights that other paths have trained; unlike in their code, the
    running ones do not follow these images.

    Expected latency is linear in the probabilities, as the network's output is in the gates. So the path rule takes
    dL/dp_j together with dL/dg_j: with binary gates, task and latency are weighed on the same pairs of candidates, and
    a candidate that was not drawn keeps its probability.
    """

    def __init__(
        self,
        supernet: Supernet,
        arch_objective: ArchitectureObjective,
        rule: PathRule,
        rate: ArchitectureRate,
        loss: TaskLoss,
        fabric: Fabric,
    ) -> None:
        super().__init__(arch_objective, rate)
        self.supernet = supernet
        self.rule = rule
        self.fabric = fabric
        self.loss = loss

    def step(
        self, images: Tensor, targets: Tensor, generator: torch.Generator, progress: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """One architecture step on images (N, C, H, W) and their targets."""
        arch_objective = self.arch_objective
        draw = self.rule.draw(arch_objective.distribution, progress, generator)
        gates = draw.paths.gates
        assert gates is not None
        probabilities = arch_objective.distribution.probabilities().detach().requires_grad_()
        with self.supernet.at_rest(draw.paths):  # the backward pass too: closed candidates run in it
            with self.fabric.autocast():
                outputs = self.supernet(images, placed(draw.paths, images.device))
                task_loss = self.loss(outputs, targets)
            loss = arch_objective.objective(task_loss, arch_objective.table(probabilities).to(task_loss.device))
            loss = loss + arch_objective.constraints(probabilities).to(loss.device)
            by_gate, by_probability = torch.autograd.grad(loss, (gates, probabilities), materialize_grads=True)
        # all processes draw the same paths; where the task's loss weighs latency, each has weighed it by its own
        averaged = [mean(gradient, self.fabric) for gradient in (by_gate, by_probability)]
        self.apply(self.rule.gradient(draw, *averaged), progress)
        self.rule.renormalize(arch_objective.distribution, draw)
        arch_objective.adapt()
        return task_loss.detach(), outputs.detach()
