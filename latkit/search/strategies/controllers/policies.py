"""The policies of a controller: distributions over architectures, improved by gradient steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from latkit._io.arrays import Floats, Integers
from latkit.spaces.base import Architecture, Space


class Policy(Protocol):
    """A distribution over the architectures of a space, choice by choice."""

    def draw(self, count: int) -> list[Architecture]:
        """Independent draws, with ties."""

    def taken(self, architectures: Sequence[Architecture]) -> Floats:
        """The probability of every option that was taken, given those before it; shape (architectures, choices)."""

    def ascend(self, architectures: Sequence[Architecture], weights: Floats) -> None:
        """One step along the sum of weights times gradients of the log probabilities of the options taken.

        `weights` has the shape that `taken` gives.
        """


class FactorizedPolicy:
    """Independent distributions over the options of every choice, as logits padded to the most options."""

    def __init__(self, space: Space, generator: np.random.Generator, learning_rate: float) -> None:
        self._tied = [choice.tied_to for choice in space.choices]
        self._generator, self._learning_rate = generator, learning_rate
        self.logits = option_offsets(space)

    def probabilities(self) -> Floats:
        """Shape (choices, options); 0 beyond a choice's options."""
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        found: Floats = shifted / shifted.sum(axis=1, keepdims=True)
        return found

    def draw(self, count: int) -> list[Architecture]:
        """Options by inverse transform of one uniform number per choice, with ties."""
        drawn = by_inverse_transform(self.probabilities(), self._generator.random((count, len(self._tied)))).tolist()
        return [tuple(row[at if leader is None else leader] for at, leader in enumerate(self._tied)) for row in drawn]

    def taken(self, architectures: Sequence[Architecture]) -> Floats:
        """See `Policy`."""
        found: Floats = self.probabilities()[np.arange(len(self._tied)), np.array(architectures)]
        return found

    def ascend(self, architectures: Sequence[Architecture], weights: Floats) -> None:
        """The gradient of a log probability with respect to the logits is one-hot minus probabilities."""
        score = np.repeat(-self.probabilities()[None], len(architectures), axis=0)
        rows, columns = np.ogrid[: len(architectures), : len(self._tied)]
        score[rows, columns, np.array(architectures)] += 1
        self.logits = self.logits + self._learning_rate * (weights[:, :, None] * score).sum(axis=0)


def by_inverse_transform(probabilities: Floats, uniform: Floats) -> Integers:
    """The options, of those with a probability, that uniform numbers stand for: (..., options), (...) -> (...)."""
    bounds = np.cumsum(probabilities, axis=-1)
    found: Integers = (bounds <= uniform[..., None] * bounds[..., -1:]).sum(axis=-1)
    return found


def option_offsets(space: Space) -> Floats:
    """0 for the options of every choice, -inf beyond them, where another choice has more; (choices, most options)."""
    sizes = np.array([len(choice.options) for choice in space.choices])
    found: Floats = np.where(np.arange(sizes.max()) < sizes[:, None], 0.0, -np.inf)
    return found
