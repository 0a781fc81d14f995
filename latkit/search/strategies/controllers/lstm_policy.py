"""A recurrent policy: an LSTM takes the choices one after the other (Zoph & Le 2017, arXiv 1611.01578, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latkit._io.arrays import Floats
from latkit.search.strategies.controllers.lstm import Lstm, LstmSettings, Unrolled
from latkit.search.strategies.controllers.policies import option_offsets
from latkit.spaces.base import Architecture, Space


class LstmPolicy:
    """The option before is the input of the next choice. Tied choices take no part."""

    def __init__(self, space: Space, generator: np.random.Generator, settings: LstmSettings) -> None:
        tied = [choice.tied_to for choice in space.choices]
        self._free = [at for at, leader in enumerate(tied) if leader is None]
        self._place = [self._free.index(at if leader is None else leader) for at, leader in enumerate(tied)]
        self._generator = generator
        self._offsets = option_offsets(space)[self._free]
        self.lstm = Lstm(self._offsets, self._offsets.shape[1] + 1, generator, settings)
        self._known: tuple[Floats, dict[tuple[int, ...], int], Unrolled] | None = None
        """What the network computed last: its parameters, the position of every sequence, and the result."""

    def draw(self, count: int) -> list[Architecture]:
        """See `Policy`."""
        choices, options = self._offsets.shape
        run = self.lstm.draw(self._generator.gumbel(size=(choices, count, options)))
        return [tuple(row[place] for place in self._place) for row in self._remember(run)]

    def taken(self, architectures: Sequence[Architecture]) -> Floats:
        """See `Policy`; a tied choice has the probability of the one that it is tied to."""
        return self._follow(architectures).taken.T[:, self._place]

    def ascend(self, architectures: Sequence[Architecture], weights: Floats) -> None:
        """See `Policy`; the gradient of the entropy is added."""
        self.lstm.ascend(self._follow(architectures), weights[:, self._free].T)

    def _follow(self, architectures: Sequence[Architecture]) -> Unrolled:
        """What the network computes for these; not again for what was drawn since the parameters changed."""
        rows = [tuple(one[at] for at in self._free) for one in architectures]
        if self._known is not None:
            parameters, places, run = self._known
            if parameters is self.lstm.parameters and places.keys() >= set(rows):
                at = [places[row] for row in rows]
                return run if at == list(range(run.options.shape[1])) else run.select(at)
        run = self.lstm.follow(np.array(rows).T)
        self._remember(run)
        return run

    def _remember(self, run: Unrolled) -> list[tuple[int, ...]]:
        """Keep a result; returns its sequences."""
        rows = [tuple(row) for row in run.options.T.tolist()]
        self._known = self.lstm.parameters, {row: at for at, row in enumerate(rows)}, run
        return rows
