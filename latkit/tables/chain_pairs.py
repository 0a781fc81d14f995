"""Pair terms of a chain: of neighbors in fixed layers, of a choice and a fixed layer, and of two choices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from latkit.ops import Op
from latkit.spaces import ChainSpace
from latkit.tables.pairs import PairRows

PairSeconds = Callable[[Op, Op], float]


@dataclass(frozen=True, slots=True)
class ChainPairs:
    """The pair terms of all neighbors of a chain, in seconds."""

    base: float
    """Of pairs of fixed layers, which every architecture has."""
    rows: list[list[float]]
    """For every choice, what each candidate costs with the fixed layers beside it."""
    pairs: PairRows
    """Of pairs of choices."""


def chain_pairs(space: ChainSpace, seconds: PairSeconds) -> ChainPairs:
    """The pair terms of all neighboring layers.

    A skip passes a tensor on in its own precision, so it counts as an op of that precision.
    """
    base, rows = 0.0, [[0.0] * len(layer.candidates) for layer in space.choice_layers]
    pairs: list[list[list[float]] | None] = [None] * (len(rows) - 1)
    place = -1  # of the last choice up to `before`
    for before, after in zip(space.layers, space.layers[1:], strict=False):
        place += before.is_choice
        terms = [[seconds(producer, consumer) for consumer in after.candidates] for producer in before.candidates]
        if before.is_choice and after.is_choice:
            pairs[place] = terms
        elif before.is_choice:
            rows[place] = [a + b for a, (b,) in zip(rows[place], terms, strict=True)]
        elif after.is_choice:
            rows[place + 1] = [a + b for a, b in zip(rows[place + 1], terms[0], strict=True)]
        else:
            base += terms[0][0]
    return ChainPairs(base, rows, pairs)
