"""Path rules: which paths a step runs, and how gradients of their gates become gradients of the logits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from latkit.search.supernet.distribution import PathDistribution
from latkit.search.supernet.supernet import Paths


@dataclass(frozen=True, slots=True)
class Draw:
    """The paths that a rule drew for one architecture step."""

    paths: Paths
    """Their gates are a leaf that requires its gradient."""
    indices: Tensor
    """The candidate in every slot of the gates, shape (choices, slots)."""
    logits: Tensor
    """The logits before the step, shape (choices, candidates); minus infinity where there is no candidate."""
    soft_gates: Tensor
    """The softmax that the gates stand for, shape (choices, slots); zero in slots without a candidate."""
    temperature: float = 1.0
    """Of that softmax."""


class PathRule(Protocol):
    """Maps logits to paths, and gradients of gates to gradients of logits.

    A rule holds no state: all that changes follows from `progress`, the share of the architecture steps that is done,
    from 0 to 1. So nothing has to be saved. Gates are on the CPU, as the logits are.
    """

    def weight_paths(self, distribution: PathDistribution, progress: float, generator: torch.Generator) -> Paths:
        """The paths that a weight step trains; their gates need no gradient."""

    def draw(self, distribution: PathDistribution, progress: float, generator: torch.Generator) -> Draw:
        """Draw the paths of one architecture step."""

    def gradient(self, draw: Draw, by_gate: Tensor, by_probability: Tensor) -> Tensor:
        """dL/dalpha, shape (choices, candidates), of a loss that depends on gates and on probabilities.

        `by_gate` is dL/dg of the drawn gates, shape (choices, slots); `by_probability` is dL/dp of everything that is
        computed from the probabilities themselves, such as expected latency, shape (choices, candidates).
        """

    def renormalize(self, distribution: PathDistribution, draw: Draw) -> None:
        """After the optimizer's step, restore what the rule guarantees about the logits."""


def sample(distribution: PathDistribution, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` candidates per choice without replacement, by their probabilities, in the order drawn.

    Gives (choices, count) indices. Where a choice has fewer candidates, the last slots hold invalid indices. The
    largest of log p + Gumbel noise are such a draw, and no probability underflows.
    """
    noisy = distribution.log_probabilities().detach() + gumbel_noise(distribution.logits.shape, generator)
    return noisy.topk(min(count, noisy.shape[1])).indices


def gumbel_noise(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Independent draws of the standard Gumbel distribution, in double precision."""
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
    return -(-uniform.clamp_min(1e-300).log()).log()


def masked_logits(distribution: PathDistribution) -> Tensor:
    """The logits, detached; minus infinity where there is no candidate."""
    return distribution.logits.detach().masked_fill(~distribution.mask, -torch.inf)


def single_path(distribution: PathDistribution, generator: torch.Generator) -> Paths:
    """One path, every choice drawn by its probabilities (section 3.2, equations 2 and 3)."""
    return Paths.single(sample(distribution, 1, generator).squeeze(1).tolist())


def placed(paths: Paths, device: torch.device) -> Paths:
    """The paths with their gates on a device, differentiable."""
    return paths if paths.gates is None else replace(paths, gates=paths.gates.to(device))


def softmax_backward(soft_gates: Tensor, by_soft_gate: Tensor) -> Tensor:
    """Chain rule of a softmax: dL/dz_i = sum_j dL/ds_j s_j (delta_ij - s_i); all of shape (choices, slots)."""
    weighted = soft_gates * by_soft_gate
    return weighted - soft_gates * weighted.sum(1, keepdim=True)


def one_open(indices: Tensor, valid: Tensor) -> Paths:
    """Paths that open the candidate in slot 0 of `indices` and close the others where `valid` says there is one.

    Both have shape (choices, slots). The gates, 1 and zeros, require their gradient.
    """
    gates = torch.zeros(indices.shape)
    gates[:, 0] = 1
    closed = tuple(
        tuple(index for index, is_valid in zip(row[1:], valid_row[1:], strict=True) if is_valid)
        for row, valid_row in zip(indices.tolist(), valid.tolist(), strict=True)
    )
    opens = tuple((index,) for index in indices[:, 0].tolist())
    return Paths(opens, closed, gates.requires_grad_())


@dataclass(frozen=True, slots=True)
class BinaryGates:
    """Path-level binarization (Cai et al. 2019, sections 3.2 and 3.2.1).

    `paths` candidates are drawn per choice, and with their probabilities renormalized one of them is opened: gate 1,
    all others 0. Two is the paper's rule; as many as there are candidates gives equation 4 in full. A weight step
    trains a single path.

    What equation 4 approximates: with the other choices as they were drawn, the exact gradient by alpha_i of the
    expected loss is sum_j E[L | candidate j] p_j (delta_ij - p_i). The equation puts dL/dg_j, taken where one gate is
    open, in place of E[L | candidate j]. The two differ by a constant over j, which the sum removes, wherever L is
    linear in the gates: there its mean is the exact gradient. Elsewhere it is the first order of Taylor's series.

    What two paths approximate: with the pair (a, b) drawn and renormalized to q, the estimate's mean is the gradient of
    the expected loss of choosing between the two, q_a q_b (L_a - L_b) for alpha_a and its negative for alpha_b. The
    exact gradient for alpha_a is the sum of p_a p_b (L_a - L_b) over all b. So over the draws every pair moves in the
    right direction, with its own weight: P(pair) / (p_a + p_b)^2.
    """

    paths: int = 2

    def weight_paths(
        self,
        distribution: PathDistribution,
        progress: float,  # noqa: ARG002
        generator: torch.Generator,
    ) -> Paths:
        """A single path, ungated."""
        return single_path(distribution, generator)

    def draw(
        self,
        distribution: PathDistribution,
        progress: float,  # noqa: ARG002
        generator: torch.Generator,
    ) -> Draw:
        """Draw the candidates of every choice and open one of them."""
        indices = sample(distribution, self.paths, generator)
        logits = masked_logits(distribution)
        opened = torch.multinomial(logits.gather(1, indices).softmax(1), 1, generator=generator)
        # the open candidate goes to slot 0, where its gate of 1 is
        indices = torch.cat([indices.gather(1, opened), _without(indices, opened)], 1)
        paths = one_open(indices, distribution.mask.gather(1, indices))
        return Draw(paths, indices, logits, logits.gather(1, indices).softmax(1))

    def gradient(self, draw: Draw, by_gate: Tensor, by_probability: Tensor) -> Tensor:
        """Equation 4 over the drawn candidates: dL/dalpha_i = sum_j dL/dg_j p_j (delta_ij - p_i).

        Terms that depend on the probabilities use the same equation: a candidate that was not drawn gets no gradient.
        """
        gradient = softmax_backward(draw.soft_gates, by_gate + by_probability.gather(1, draw.indices))
        return torch.zeros_like(draw.logits).scatter_(1, draw.indices, gradient)

    def renormalize(self, distribution: PathDistribution, draw: Draw) -> None:
        """Shift the drawn logits so that every other candidate keeps its probability (section 3.2.1)."""
        with torch.no_grad():
            new = distribution.logits.gather(1, draw.indices)
            old = draw.logits.gather(1, draw.indices)
            is_valid = old.isfinite()
            shift = new.where(is_valid, old).logsumexp(1, keepdim=True) - old.logsumexp(1, keepdim=True)
            distribution.logits.scatter_(1, draw.indices, torch.where(is_valid, new - shift, new))


def _without(indices: Tensor, opened: Tensor) -> Tensor:
    """The drawn candidates except the open one, in order."""
    others = torch.ones_like(indices, dtype=torch.bool).scatter_(1, opened, False)
    return indices[others].view(indices.shape[0], -1)
