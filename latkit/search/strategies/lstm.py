"""A small LSTM that decides one choice after the other, in numpy: a step of torch costs more than its arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latkit._io.arrays import Floats, Integers
from latkit.search.strategies.policies import by_inverse_transform

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


@dataclass(slots=True)
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

    def draw(self, uniform: Floats, tokens: Integers | None = None) -> Unrolled:
        """Options that uniform numbers stand for, shape (choices, sequences)."""
        return self._unroll(np.zeros(uniform.shape, np.int64), tokens, uniform)

    def follow(self, options: Integers, tokens: Integers | None = None) -> Unrolled:
        """The probabilities of given options, shape (choices, sequences)."""
        return self._unroll(options, tokens, None)

    def ascend(self, run: Unrolled, weights: Floats) -> None:
        """One step of Adam along `gradient`."""
        gradient = self.gradient(run, weights)
        self._steps += 1
        mean, square = self._moments
        mean += (1 - DECAY_MEAN) * (gradient - mean)
        square += (1 - DECAY_SQUARE) * (gradient**2 - square)
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
        slopes = np.where(self._slope < 1, run.gates * (1 - run.gates), 1 - run.gates**2)
        found = np.empty_like(run.gates)
        d_hidden = d_cell = np.zeros_like(run.hidden[0])
        for at in reversed(range(len(found))):
            keep, enter, leave, new = self._parts(run.gates[at])
            squashed = run.squashed[at]
            d_hidden = d_hidden + from_heads[at]
            d_cell = d_cell + d_hidden * leave * (1 - squashed**2)
            parts = (d_cell * run.cell[at], d_cell * new, d_hidden * squashed, d_cell * enter)
            np.multiply(np.concatenate(parts, axis=1), slopes[at], out=found[at])
            d_hidden, d_cell = found[at] @ recurrent.T, d_cell * keep
        return found

    def _unroll(self, options: Integers, tokens: Integers | None, uniform: Floats | None) -> Unrolled:
        inputs, recurrent, bias, heads = self._views(self.parameters)
        (count, sequences), size = options.shape, self._settings.hidden
        read = np.zeros_like(options) if tokens is None else tokens
        hidden, cell = np.zeros((2, count + 1, sequences, size))
        gates, squashed = np.empty((count, sequences, 4 * size)), np.empty((count, sequences, size))
        for at in range(count):
            if at and tokens is None:
                read[at] = options[at - 1] + 1
            sums = hidden[at] @ recurrent + bias + inputs[at, read[at]]
            np.tanh(sums * self._slope, out=gates[at])  # a sigmoid is a tanh of half the sum
            gates[at, :, : 3 * size] += 1
            gates[at, :, : 3 * size] *= 0.5
            keep, enter, leave, new = self._parts(gates[at])
            cell[at + 1] = keep * cell[at] + enter * new
            np.tanh(cell[at + 1], out=squashed[at])
            np.multiply(leave, squashed[at], out=hidden[at + 1])
            if uniform is not None:
                p = softmax(hidden[at + 1] @ heads[at] + self._offsets[at])
                options[at] = by_inverse_transform(p, uniform[at])
        probabilities = softmax(hidden[1:] @ heads + self._offsets[:, None])
        return Unrolled(read, hidden, cell, gates, squashed, probabilities, options)

    def _parts(self, gates: Floats) -> list[Floats]:
        """Views of forget, input and output gates and the new content, of shape (sequences, 4 hidden)."""
        size = self._settings.hidden
        return [gates[:, part * size : (part + 1) * size] for part in range(4)]

    def _views(self, flat: Floats) -> tuple[Floats, ...]:
        """Inputs by choice and token, recurrent weights, biases, and heads by choice, as views of one vector."""
        pieces = zip([0, *self._ends], self._ends, self._shapes, strict=False)
        return tuple(flat[start:end].reshape(shape) for start, end, shape in pieces)


def softmax(logits: Floats) -> Floats:
    """Over the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    found: Floats = raised / raised.sum(axis=-1, keepdims=True)
    return found
