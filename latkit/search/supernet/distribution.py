"""The distribution over architectures: one row of logits per choice."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latkit.spaces import Architecture, Space


class PathDistribution(nn.Module):
    """Architecture parameters alpha, shape (choices, candidates), padded where a layer has fewer candidates.

    The rows are independent softmaxes (Cai et al. 2019, equation 1). The logits stay on the CPU wherever
    the supernet runs: drawing a path then never waits for an accelerator.
    """

    mask: Tensor

    def __init__(self, space: Space) -> None:
        super().__init__()
        counts = torch.tensor([len(choice.options) for choice in space.choices])
        width = int(counts.max())
        self.register_buffer("mask", torch.arange(width) < counts.unsqueeze(1), persistent=False)
        self.logits = nn.Parameter(torch.zeros(len(counts), width))

    def log_probabilities(self, logits: Tensor | None = None) -> Tensor:
        """Log-probabilities of shape (choices, candidates); minus infinity where there is no candidate."""
        logits = self.logits if logits is None else logits
        return logits.masked_fill(~self.mask, -torch.inf).log_softmax(-1)

    def probabilities(self) -> Tensor:
        """Probabilities of shape (choices, candidates); zero where there is no candidate. Differentiable."""
        return self.log_probabilities().exp()

    def entropy(self) -> Tensor:
        """Mean entropy of the choices, each relative to its maximum: 1 undecided, 0 decided."""
        probabilities = self.probabilities()
        entropies = -torch.xlogy(probabilities, probabilities).sum(-1)
        return (entropies / self.mask.sum(-1).log()).mean()

    def strongest(self) -> Architecture:
        """The most probable candidate of every choice."""
        return tuple(self.log_probabilities().argmax(-1).tolist())

    def rows(self, values: Tensor) -> list[list[float]]:
        """Values of shape (choices, candidates) as plain rows, without the padding."""
        return [row[valid].tolist() for row, valid in zip(values.detach(), self.mask, strict=True)]
