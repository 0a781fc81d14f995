"""Path rules that mix all candidates of a layer: full mixing as in DARTS, Gumbel-softmax as in FBNet and SNAS."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latkit.search.gradient.gates import Draw, gumbel_noise, masked_logits, one_open, softmax_backward
from latkit.search.supernet.distribution import PathDistribution
from latkit.search.supernet.supernet import Paths


@dataclass(frozen=True, slots=True)
class FullMixing:
    """All candidates, each gated by its probability (Liu, Simonyan and Yang 2019, arXiv 1806.09055, equation 2).

    The gates are the probabilities, so the gradient of the mixed loss is exact; the mixed loss itself is not the
    expected loss of a single path, but for a loss that is linear in the gates. Weight steps train the same mix; the
    weights stay fixed in architecture steps (DARTS's first order). Time and memory grow with the candidates.
    """

    def weight_paths(
        self,
        distribution: PathDistribution,
        progress: float,  # noqa: ARG002
        generator: torch.Generator,  # noqa: ARG002
    ) -> Paths:
        """All candidates, mixed by their probabilities."""
        return Paths(_all_candidates(distribution), gates=distribution.probabilities().detach())

    def draw(
        self,
        distribution: PathDistribution,
        progress: float,  # noqa: ARG002
        generator: torch.Generator,  # noqa: ARG002
    ) -> Draw:
        """All candidates, without any randomness."""
        return _all_open(distribution, distribution.probabilities().detach())

    def gradient(self, draw: Draw, by_gate: Tensor, by_probability: Tensor) -> Tensor:
        """The exact gradient of the mixed loss: gates and probabilities are the same numbers."""
        return softmax_backward(draw.soft_gates, by_gate + by_probability)

    def renormalize(self, distribution: PathDistribution, draw: Draw) -> None:
        """Nothing to restore."""


@dataclass(frozen=True, slots=True)
class GumbelSoftmax:
    """All candidates, gated by a draw that is nearly one of them: softmax((log p + Gumbel noise) / temperature).

    Wu et al. 2019 (FBNet, arXiv 1812.03443, equations 7 and 8) and Xie et al. 2019 (SNAS, arXiv 1812.09926). The
    temperature falls from `begin` to `end` by the same factor in every step: from a blend of all to nearly one.

    With `hard`, only the likeliest candidate of the draw is open, with a gate of 1, and the gradient is taken as if the
    gates were the soft ones (straight-through; Jang, Gu and Poole 2017). The others then run forward only, and weight
    steps train a single path; otherwise they train a blend of their own draw.

    Expected latency uses the probabilities themselves, so its gradient is exact; the papers differentiate the latency
    of the draw.
    """

    begin: float = 5.0
    end: float = 0.1
    hard: bool = False

    def temperature(self, progress: float) -> float:
        """The temperature at that share of the architecture steps."""
        return float(self.begin * (self.end / self.begin) ** progress)

    def weight_paths(self, distribution: PathDistribution, progress: float, generator: torch.Generator) -> Paths:
        """A blend of all candidates, or a single path where the gates are hard."""
        soft_gates = self._soft_gates(distribution, progress, generator)
        if self.hard:
            return Paths.single(soft_gates.argmax(1).tolist())
        return Paths(_all_candidates(distribution), gates=soft_gates)

    def draw(self, distribution: PathDistribution, progress: float, generator: torch.Generator) -> Draw:
        """Draw the gates of every choice."""
        soft_gates, temperature = self._soft_gates(distribution, progress, generator), self.temperature(progress)
        if not self.hard:
            return _all_open(distribution, soft_gates, temperature)
        indices = soft_gates.masked_fill(~distribution.mask, -1).argsort(stable=True, dim=1, descending=True)
        paths = one_open(indices, distribution.mask.gather(1, indices))
        return Draw(paths, indices, masked_logits(distribution), soft_gates.gather(1, indices), temperature)

    def gradient(self, draw: Draw, by_gate: Tensor, by_probability: Tensor) -> Tensor:
        """The gradient of the relaxed loss for the drawn noise, and the exact gradient of terms that depend on p."""
        of_draw = softmax_backward(draw.soft_gates, by_gate) / draw.temperature
        of_draw = torch.zeros_like(draw.logits).scatter_(1, draw.indices, of_draw)
        return of_draw + softmax_backward(draw.logits.softmax(1), by_probability)

    def renormalize(self, distribution: PathDistribution, draw: Draw) -> None:
        """Nothing to restore."""

    def _soft_gates(self, distribution: PathDistribution, progress: float, generator: torch.Generator) -> Tensor:
        """The soft gates, shape (choices, candidates)."""
        noisy = distribution.log_probabilities().detach() + gumbel_noise(distribution.logits.shape, generator)
        return (noisy / self.temperature(progress)).softmax(1).to(distribution.logits.dtype)


def _all_candidates(distribution: PathDistribution) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(range(count)) for count in distribution.mask.sum(1).tolist())


def _all_open(distribution: PathDistribution, soft_gates: Tensor, temperature: float = 1.0) -> Draw:
    """All candidates in order, gated by their weights (choices, candidates)."""
    paths = Paths(_all_candidates(distribution), gates=soft_gates.clone().requires_grad_())
    indices = torch.arange(soft_gates.shape[1]).expand(soft_gates.shape)
    return Draw(paths, indices, masked_logits(distribution), soft_gates, temperature)
