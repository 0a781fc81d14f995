"""A small LSTM that decides one choice after the other, in numpy: a step of torch costs more than its arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latkit._io.arrays import Floats, Integers

DECAY_MEAN, DECAY_SQUARE, EPSILON = 0.9, 0.999, 1e-8
"""Of Adam (Kingma & Ba 2015)."""


@dataclass(frozen=True, slots=True)
class LstmSettings:
    """Size and training of the network."""

    hidden: int
    learning_rate: float
    """Of Adam."""
    entropy: float
    """Weight of the entropy of decisions, which keeps them from settling early."""


@dataclass(frozen=True, slots=True)
class Unrolled:
    """What the network computed for some sequences; the first two axes are choices and sequences."""

    tokens: Integers
    hidden: Floats
    """With the state before the first choice."""
    cell: Floats
    """With the state before the first choice."""
    gates: Floats
    """Forget, input and output gates, and the new content."""
    squashed: Floats
    """The tanh of the cell after the choice."""
    probabilities: Floats
    options: Integers

    @property
    def taken(self) -> Floats:
        """The probability of every option that was taken; shape (choices, sequences)."""
        found: Floats = np.take_along_axis(self.probabilities, self.options[:, :, None], axis=2)[:, :, 0]
        return found

    def select(self, sequences: Sequence[int]) -> Unrolled:
        """Some of the sequences."""
        at = list(sequences)
        return Unrolled(
            self.tokens[:, at],
            self.hidden[:, at],
            self.cell[:, at],
            self.gates[:, at],
            self.squashed[:, at],
            self.probabilities[:, at],
            self.options[:, at],
        )


class Lstm:
    """Every choice has its own embeddings of tokens and its own softmax over options.

    The token of a choice is given, or is the option that was taken before it plus one; that of the first is then 0.
    """

    def __init__(self, offsets: Floats, tokens: int, generator: np.random.Generator, settings: LstmSettings) -> None:
        """`offsets`: added to the logits of every choice, shape (choices, options); -inf where there is no option."""
        self._offsets, self._settings = offsets, settings
        (count, options), hidden = offsets.shape, settings.hidden
        self._slope = np.repeat((0.5, 1.0), (3 * hidden, hidden))
        self._eyes = np.eye(tokens), np.eye(options)
        self._shapes = ((count, tokens, 4 * hidden), (hidden, 4 * hidden), (4 * hidden,), (count, hidden, options))
        self._ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes]).tolist()
        self.parameters: Floats = generator.uniform(-0.1, 0.1, self._ends[-1])
        self._moments = np.zeros((2, self._ends[-1]))
        self._steps = 0

    def draw(self, noise: Floats, tokens: Integers | None = None) -> Unrolled:
        """Options drawn by Gumbel noise of shape (choices, sequences, options): the greatest sum of logit and noise.

        That draws from the softmax (the Gumbel-max trick, Maddison et al. 2014).
        """
        return self._unroll(np.zeros(noise.shape[:2], np.int64), tokens, noise)

    def follow(self, options: Integers, tokens: Integers | None = None) -> Unrolled:
        """The probabilities of given options, shape (choices, sequences)."""
        return self._unroll(options, tokens, None)

    def ascend(self, run: Unrolled, weights: Floats) -> None:
        """One step of Adam along `gradient`."""
        gradient = self.gradient(run, weights)
        self._steps += 1
        mean, square = self._moments
        mean *= DECAY_MEAN
        mean += (1 - DECAY_MEAN) * gradient
        square *= DECAY_SQUARE
        square += (1 - DECAY_SQUARE) * gradient**2
        rate = self._settings.learning_rate * (1 - DECAY_SQUARE**self._steps) ** 0.5 / (1 - DECAY_MEAN**self._steps)
        self.parameters = self.parameters + rate * mean / (np.sqrt(square) + EPSILON)

    def gradient(self, run: Unrolled, weights: Floats) -> Floats:
        """Of the weighted log probabilities plus the weighted entropies, by backpropagation through time.

        `weights` has the shape of the options; `run` is what the present parameters gave.
        """
        found = np.zeros_like(self.parameters)
        inputs, recurrent, bias, heads = self._views(found)
        d_logits = self._d_logits(run, weights)
        heads[...] = run.hidden[1:].transpose(0, 2, 1) @ d_logits
        d_gates = self._d_gates(run, d_logits)
        recurrent[...] = np.tensordot(run.hidden[:-1], d_gates, ((0, 1), (0, 1)))
        bias[...] = d_gates.sum(axis=(0, 1))
        inputs[...] = self._eyes[0][run.tokens].transpose(0, 2, 1) @ d_gates
        return found

    def _d_logits(self, run: Unrolled, weights: Floats) -> Floats:
        p = run.probabilities
        logs = np.log(np.maximum(p, 1e-12))
        entropy = -(p * logs).sum(axis=2, keepdims=True)
        one_hot = self._eyes[1][run.options]
        found: Floats = weights[:, :, None] * (one_hot - p) - self._settings.entropy * p * (logs + entropy)
        return found

    def _d_gates(self, run: Unrolled, d_logits: Floats) -> Floats:
        """The gradient with respect to the sums of the gates, shape (choices, sequences, 4 hidden)."""
        _, recurrent, _, heads = self._views(self.parameters)
        from_heads = d_logits @ heads.transpose(0, 2, 1)
        keep, enter, leave, new = self._parts(run.gates)
        slopes = run.gates * (1 - run.gates)
        slopes[..., 3 * self._settings.hidden :] = 1 - new**2
        factors = slopes * np.concatenate((run.cell[:-1], new, run.squashed, enter), axis=2)
        opened, back = leave * (1 - run.squashed**2), recurrent.T
        found = np.empty_like(run.gates)
        d_hidden = d_cell = np.zeros_like(run.hidden[0])
        for at in reversed(range(len(found))):
            d_hidden = d_hidden + from_heads[at]
            d_cell = d_cell + d_hidden * opened[at]
            parts = (d_cell, d_cell, d_hidden, d_cell)
            np.multiply(np.concatenate(parts, axis=1), factors[at], out=found[at])
            d_hidden, d_cell = found[at] @ back, d_cell * keep[at]
        return found

    def _unroll(self, options: Integers, tokens: Integers | None, noise: Floats | None) -> Unrolled:
        inputs, recurrent, bias, heads = self._views(self.parameters)
        (count, sequences), size = options.shape, self._settings.hidden
        read = np.zeros_like(options) if tokens is None else tokens
        rows, back = (inputs + bias) * self._slope, recurrent * self._slope  # a sigmoid is a tanh of half the sum
        hidden, cell = np.zeros((2, count + 1, sequences, size))
        gates, squashed = np.empty((count, sequences, 4 * size)), np.empty((count, sequences, size))
        biased = None if noise is None else noise + self._offsets[:, None]
        parts = zip(gates, gates[..., : 3 * size], *self._parts(gates), squashed, rows, heads, strict=True)
        for at, (gate, sigmoid, keep, enter, leave, new, after, row, head) in enumerate(parts):
            if at and tokens is None:
                read[at] = options[at - 1] + 1
            np.tanh(hidden[at] @ back + row[read[at]], out=gate)
            sigmoid *= 0.5
            sigmoid += 0.5
            np.add(keep * cell[at], enter * new, out=cell[at + 1])
            np.tanh(cell[at + 1], out=after)
            np.multiply(leave, after, out=hidden[at + 1])
            if biased is not None:
                options[at] = (hidden[at + 1] @ head + biased[at]).argmax(axis=1)
        probabilities = softmax(hidden[1:] @ heads + self._offsets[:, None])
        return Unrolled(read, hidden, cell, gates, squashed, probabilities, options)

    def _parts(self, gates: Floats) -> list[Floats]:
        """Views of forget, input and output gates and the new content, of shape (..., 4 hidden)."""
        size = self._settings.hidden
        return [gates[..., part * size : (part + 1) * size] for part in range(4)]

    def _views(self, flat: Floats) -> tuple[Floats, ...]:
        """Inputs by choice and token, recurrent weights, biases, and heads by choice, as views of one vector."""
        pieces = zip([0, *self._ends], self._ends, self._shapes, strict=False)
        return tuple(flat[start:end].reshape(shape) for start, end, shape in pieces)


def softmax(logits: Floats) -> Floats:
    """Over the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    found: Floats = raised / raised.sum(axis=-1, keepdims=True)
    return found
