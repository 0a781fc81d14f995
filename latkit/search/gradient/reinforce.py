"""The learner by policy gradient: reward task x (latency / target)^w, with a moving baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from latkit.search.gradient.gates import sample
from latkit.search.gradient.learners import ArchitectureRate, LogitLearner
from latkit.search.objectives.architecture_objective import ArchitectureObjective
from latkit.search.supernet.supernet import Paths, Supernet
from latkit.search.tasks import Task
from latkit.search.training.distributed import mean

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def policy_gradient(probabilities: Tensor, architectures: Tensor, advantages: Tensor) -> Tensor:
    """Mean over paths of advantage x d log p(path) / d alpha, shape (choices, candidates): ascends the reward.

    Takes probabilities of that shape, architectures (paths, choices) and advantages (paths,). The logarithm of a path's
    probability is the sum over its choices, so d log p / d alpha_i = delta_ij - p_i where candidate j is chosen.
    """
    chosen = F.one_hot(architectures, probabilities.shape[1]).to(probabilities.dtype)  # (paths, choices, candidates)
    weights = advantages.to(probabilities.dtype)[:, None, None]
    return (weights * (chosen - probabilities)).mean(0)


def advantages(rewards: Tensor, baseline: float | None) -> Tensor:
    """Rewards minus the baseline, shape (paths,); before there is a baseline, minus the mean of the other paths.

    Neither baseline depends on the path it is subtracted from, so the gradient's mean is exact.
    """
    if baseline is not None:
        return rewards - baseline
    others = (rewards.sum() - rewards) / (len(rewards) - 1)
    return rewards - others


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the policy gradient is estimated."""

    paths: int = 10
    """Paths of one step, two at least."""
    baseline_decay: float = 0.9
    """Decay per step of the moving average of rewards."""


class ReinforceLearner(LogitLearner):
    """Learns by the rewards of sampled paths (Cai et al. 2019, section 3.3.2; Williams 1992).

    J = E[R(path)], and dJ/dalpha = E[R d log p(path) / dalpha] is estimated from several single paths a step, all on
    the same images. The paths run forward only. Latency is the table's, looked up per path; the objective computes the
    reward from it and from the task's reward for the batch, with an exponent that is fixed, as in the paper, or
    adapted. Batch norm uses the batch's statistics, as in the gradient learner.

    The baseline is a moving average of the rewards of earlier steps, so the estimate is unbiased. The authors' code
    includes the step's own rewards.
    """

    def __init__(
        self,
        supernet: Supernet,
        arch_objective: ArchitectureObjective,
        rate: ArchitectureRate,
        task: Task,
        fabric: Fabric,
        sampling: Sampling = Sampling(),
    ) -> None:
        super().__init__(arch_objective, rate)
        self.supernet = supernet
        self.task = task
        self.fabric = fabric
        self.sampling = sampling
        self.baseline: float | None = None

    def step(
        self,
        images: Tensor,
        targets: Tensor,
        generator: torch.Generator,
        progress: float = 0.0,
    ) -> tuple[Tensor, Tensor]:
        """One architecture step on images (N, C, H, W) and targets. Gives loss and outputs of its first path."""
        drawn = [sample(self.arch_objective.distribution, 1, generator).squeeze(1) for _ in range(self.sampling.paths)]
        outputs = [self._outputs(images, path) for path in drawn]
        task_rewards = torch.stack([self.task.reward(one, targets) for one in outputs])
        # all processes draw the same paths
        self.learn(torch.stack(drawn), mean(task_rewards, self.fabric).cpu(), progress)
        return self.task.loss(outputs[0], targets), outputs[0]

    def learn(self, architectures: Tensor, task_rewards: Tensor, progress: float = 0.0) -> None:
        """Move the logits by paths (paths, choices) whose rewards of the task, 0 to 1, are known (paths,)."""
        rewards = self.rewards(architectures, task_rewards)
        probabilities = self.arch_objective.distribution.probabilities().detach()
        ascent = policy_gradient(probabilities, architectures, advantages(rewards, self.baseline))
        self.apply(-ascent, progress)
        before, now, decay = self.baseline, float(rewards.mean()), self.sampling.baseline_decay
        self.baseline = now if before is None else decay * before + (1 - decay) * now
        self.arch_objective.adapt()

    def rewards(self, architectures: Tensor, task_rewards: Tensor) -> Tensor:
        """The reward of every path, shape (paths,), from that of the task and its other quantities."""
        arch_objective = self.arch_objective
        constrained = task_rewards * arch_objective.constraints.factors(
            architectures, arch_objective.distribution.probabilities().detach()
        )
        return arch_objective.objective.reward(
            constrained, arch_objective.table.lookup(architectures), arch_objective.expected_s()
        )

    def _outputs(self, images: Tensor, architecture: Tensor) -> Tensor:
        paths = Paths.single(architecture.tolist())
        with torch.no_grad(), self.supernet.at_rest(paths), self.fabric.autocast():
            outputs: Tensor = self.supernet(images, paths)
        return outputs.detach()

    def state(self) -> dict[str, Any]:
        """Logits, optimizer, objective, constraints and baseline."""
        return {**super().state(), "baseline": self.baseline}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        super().load_state(state)
        self.baseline = state["baseline"]
