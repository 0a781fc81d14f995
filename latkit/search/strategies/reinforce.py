"""The learner by policy gradient: reward accuracy x (latency / target)^w, with a moving baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from latkit.search.objectives.architecture_objective import ArchitectureObjective
from latkit.search.strategies.gates import sample
from latkit.search.strategies.learners import LogitLearner
from latkit.search.supernet.supernet import Paths, Supernet
from latkit.search.training.distributed import mean


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


class ReinforceLearner(LogitLearner):
    """Learns by the rewards of sampled paths (Cai et al. 2019, section 3.3.2; Williams 1992).

    J = E[R(path)], and dJ/dalpha = E[R d log p(path) / dalpha] is estimated from several single paths a step, all on
    the same images. The paths run forward only. Latency is the table's, looked up per path; the objective computes the
    reward from it and from the batch's accuracy, with an exponent that is fixed, as in the paper, or adapted. Batch
    norm uses the batch's statistics, as in the gradient learner.

    The baseline is a moving average of the rewards of earlier steps, so the estimate is unbiased. The authors' code
    includes the step's own rewards.
    """

    def __init__(
        self,
        supernet: Supernet,
        arch_objective: ArchitectureObjective,
        fabric: Fabric,
        learning_rate: float,
        samples: int = 10,
        baseline_decay: float = 0.9,
        growth: float = 1.0,
    ) -> None:
        """`samples`: paths a step, two at least. `baseline_decay`: decay of the moving average per step."""
        super().__init__(arch_objective, learning_rate, growth)
        self.supernet = supernet
        self.fabric = fabric
        self.samples = samples
        self.baseline_decay = baseline_decay
        self.baseline: float | None = None

    def step(
        self,
        images: Tensor,
        labels: Tensor,
        generator: torch.Generator,
        progress: float = 0.0,
    ) -> tuple[Tensor, Tensor]:
        """One architecture step on images (N, C, H, W) and labels (N,). Gives loss and scores of its first path."""
        drawn = [sample(self.arch_objective.distribution, 1, generator).squeeze(1) for _ in range(self.samples)]
        scores = [self._scores(images, path) for path in drawn]
        correct = torch.stack([(one.argmax(1) == labels).double().mean() for one in scores])
        # all processes draw the same paths
        self.learn(torch.stack(drawn), mean(correct, self.fabric).cpu(), progress)
        return F.cross_entropy(scores[0], labels), scores[0]

    def learn(self, architectures: Tensor, accuracies: Tensor, progress: float = 0.0) -> None:
        """Move the logits by the rewards of paths (paths, choices) whose accuracies, 0 to 1, are known (paths,)."""
        rewards = self.rewards(architectures, accuracies)
        probabilities = self.arch_objective.distribution.probabilities().detach()
        ascent = policy_gradient(probabilities, architectures, advantages(rewards, self.baseline))
        self.apply(-ascent, progress)
        before, now = self.baseline, float(rewards.mean())
        self.baseline = now if before is None else self.baseline_decay * before + (1 - self.baseline_decay) * now
        self.arch_objective.adapt()

    def rewards(self, architectures: Tensor, accuracies: Tensor) -> Tensor:
        """The reward of every path, shape (paths,)."""
        arch_objective = self.arch_objective
        constrained = accuracies * arch_objective.constraints.factors(
            architectures, arch_objective.distribution.probabilities().detach()
        )
        return arch_objective.objective.reward(
            constrained, arch_objective.table.lookup(architectures), arch_objective.expected_s()
        )

    def _scores(self, images: Tensor, architecture: Tensor) -> Tensor:
        paths = Paths.single(architecture.tolist())
        with torch.no_grad(), self.supernet.at_rest(paths), self.fabric.autocast():
            scores: Tensor = self.supernet(images, paths)
        return scores.detach()

    def state(self) -> dict[str, Any]:
        """Logits, optimizer, objective, constraints and baseline."""
        return {**super().state(), "baseline": self.baseline}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        super().load_state(state)
        self.baseline = state["baseline"]
