"""Path rules: which paths an architecture step runs, and what their gates' gradients say about the logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from latkit.search.distribution import PathDistribution
from latkit.search.supernet import Paths


@dataclass(frozen=True, slots=True)
class Draw:
    """What a rule drew for one architecture step."""

    paths: Paths
    indices: Tensor
    """The candidate in every slot of the gates, shape (choices, slots)."""
    logits: Tensor
    """The logits before the step, shape (choices, candidates)."""


class PathRule(Protocol):
    """How an architecture step goes from logits to paths and back. Holds no state between steps."""

    def draw(self, distribution: PathDistribution, generator: torch.Generator) -> Draw:
        """Draw the paths of one step; their gates are a leaf that requires its gradient."""

    def gradient(self, distribution: PathDistribution, draw: Draw, gate_gradient: Tensor) -> Tensor:
        """dL/dalpha, shape (choices, candidates), from dL/dgates, shape (choices, slots)."""

    def settle(self, distribution: PathDistribution, draw: Draw) -> None:
        """Put right, after the optimiser's step, what the rule promises about the logits."""


def sample(distribution: PathDistribution, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` candidates per choice without replacement, by their probabilities, in the order drawn.

    Gives (choices, count) indices. Where a choice has fewer candidates, the slots at the end hold none that stands.
    The largest of log p + Gumbel noise are such a draw, and no probability underflows on the way.
    """
    log_probabilities = distribution.log_probabilities().detach()
    uniform = torch.rand(log_probabilities.shape, generator=generator, dtype=torch.float64)
    gumbel = -(-uniform.clamp_min(1e-300).log()).log()
    return (log_probabilities + gumbel).topk(min(count, log_probabilities.shape[1])).indices


def single_path(distribution: PathDistribution, generator: torch.Generator) -> Paths:
    """One path, every choice drawn by its probabilities: what a weight step trains (section 3.2, equations 2 and 3)."""
    return Paths.single(sample(distribution, 1, generator).squeeze(1).tolist())


@dataclass(frozen=True, slots=True)
class BinaryGates:
    """Path-level binarisation (Cai et al. 2019, sections 3.2 and 3.2.1).

    `paths` candidates are drawn per choice, and with their probabilities renormalised one of them is opened: gate 1,
    all others 0. Two is the paper's rule; as many as there are candidates makes equation 4 unabridged.
    """

    paths: int = 2

    def draw(self, distribution: PathDistribution, generator: torch.Generator) -> Draw:
        """Draw the candidates of every choice and open one of them."""
        indices = sample(distribution, self.paths, generator)
        standing = distribution.mask.gather(1, indices)
        logits = distribution.logits.detach().clone()
        slice_probabilities = _renormalised(logits, indices, standing)
        opened = torch.multinomial(slice_probabilities, 1, generator=generator)
        # the open candidate goes to slot 0, where its gate of 1 is
        indices = torch.cat([indices.gather(1, opened), _without(indices, opened)], 1)
        standing = distribution.mask.gather(1, indices)
        gates = torch.zeros(indices.shape)
        gates[:, 0] = 1
        closed = tuple(
            tuple(index for index, stands in zip(row[1:], stands_row[1:], strict=True) if stands)
            for row, stands_row in zip(indices.tolist(), standing.tolist(), strict=True)
        )
        opens = tuple((index,) for index in indices[:, 0].tolist())
        return Draw(Paths(opens, closed, gates.requires_grad_()), indices, logits)

    def gradient(self, distribution: PathDistribution, draw: Draw, gate_gradient: Tensor) -> Tensor:
        """Equation 4 over the drawn candidates: dL/dalpha_i = sum_j dL/dg_j p_j (delta_ij - p_i)."""
        standing = distribution.mask.gather(1, draw.indices)
        p = _renormalised(draw.logits, draw.indices, standing)
        weighted = p * gate_gradient
        gradient = weighted - p * weighted.sum(1, keepdim=True)
        return torch.zeros_like(draw.logits).scatter_(1, draw.indices, gradient)

    def settle(self, distribution: PathDistribution, draw: Draw) -> None:
        """Shift the drawn logits so that every other candidate keeps its probability (section 3.2.1)."""
        standing = distribution.mask.gather(1, draw.indices)
        with torch.no_grad():
            new = distribution.logits.gather(1, draw.indices)
            old = draw.logits.gather(1, draw.indices)
            shift = _logsumexp(new, standing) - _logsumexp(old, standing)
            distribution.logits.scatter_(1, draw.indices, torch.where(standing, new - shift, new))


def _renormalised(logits: Tensor, indices: Tensor, standing: Tensor) -> Tensor:
    """Softmax over the drawn candidates alone, shape (choices, slots)."""
    return logits.gather(1, indices).masked_fill(~standing, -torch.inf).softmax(1)


def _without(indices: Tensor, opened: Tensor) -> Tensor:
    """The drawn candidates but for the opened one, in order."""
    kept = torch.ones_like(indices, dtype=torch.bool).scatter_(1, opened, False)
    return indices[kept].view(indices.shape[0], -1)


def _logsumexp(logits: Tensor, standing: Tensor) -> Tensor:
    return logits.masked_fill(~standing, -torch.inf).logsumexp(1, keepdim=True)
