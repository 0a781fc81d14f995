"""A recurrent policy: an LSTM takes the choices one after the other (Zoph & Le 2017, arXiv 1611.01578, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latkit._io.arrays import Floats, Integers
from latkit.search.strategies.lstm import Lstm, LstmSettings, Unrolled
from latkit.search.strategies.policies import option_offsets
from latkit.spaces.base import Architecture, Space


class LstmPolicy:
    """The option before is the input of the next choice. Tied choices take no part."""

    def __init__(self, space: Space, generator: np.random.Generator, settings: LstmSettings) -> None:
        tied = [choice.tied_to for choice in space.choices]
        self._free = [at for at, leader in enumerate(tied) if leader is None]
        self._place = [self._free.index(at if leader is None else leader) for at, leader in enumerate(tied)]
        self._generator = generator
        offsets = option_offsets(space)[self._free]
        self.lstm = Lstm(offsets, offsets.shape[1] + 1, generator, settings)

    def draw(self, count: int) -> list[Architecture]:
        """See `Policy`."""
        drawn = self.lstm.draw(self._generator.random((len(self._free), count))).options.T.tolist()
        return [tuple(row[place] for place in self._place) for row in drawn]

    def taken(self, architectures: Sequence[Architecture]) -> Floats:
        """See `Policy`; a tied choice has the probability of the one that it is tied to."""
        return self._follow(architectures).taken.T[:, self._place]

    def ascend(self, architectures: Sequence[Architecture], weights: Floats) -> None:
        """See `Policy`; the gradient of the entropy is added."""
        self.lstm.ascend(self._follow(architectures), weights[:, self._free].T)

    def _follow(self, architectures: Sequence[Architecture]) -> Unrolled:
        rows: Integers = np.array(architectures)[:, self._free].T
        return self.lstm.follow(rows)
