"""Many architectures of an elastic space at once: arrays of shape (n, choices)."""

from __future__ import annotations

import numpy as np

from latkit._io.arrays import Bools, Floats, Integers
from latkit.spaces.elastic.space import ElasticSpace


class ElasticArrays:
    """Blocks, canonical forms and features of architectures as arrays, without a loop over architectures.

    Blocks are counted over all stages, those beyond a depth included. What is no choice has option 0.
    """

    def __init__(self, space: ElasticSpace) -> None:
        self.space = space
        self.sizes: Integers = np.array([len(choice.options) for choice in space.choices])
        """Number of options of every choice."""
        blocks = [(stage, block) for stage, one in enumerate(space.stages) for block in range(one.depths[-1])]
        self.stages: Integers = np.array([stage for stage, _ in blocks])
        """The stage of every block, from 0."""
        self.numbers: Integers = np.array([block for _, block in blocks])
        """The place of every block in its stage, from 0."""
        names = [f"stage{stage + 1}.block{block + 1}" for stage, block in blocks]
        self._kernels, self._expansions = (self._columns([f"{n}.{w}" for n in names]) for w in ("kernel", "expansion"))
        self._depths = self._columns([f"stage{stage + 1}.depth" for stage, _ in blocks])
        self._depth_values = np.zeros((len(space.stages), max(len(one.depths) for one in space.stages)), dtype=np.int64)
        for number, stage in enumerate(space.stages):
            self._depth_values[number, : len(stage.depths)] = stage.depths
        self._one_hot = np.concatenate(([0], np.cumsum(self.sizes)))

    def option(self, architectures: Integers, name: str) -> Integers:
        """The option of a choice, shape (n,); 0 where it is none."""
        return self._taken(architectures, self._columns([name]))[:, 0]

    def kernels(self, architectures: Integers) -> Integers:
        """The kernel option of every block, shape (n, blocks)."""
        return self._taken(architectures, self._kernels)

    def expansions(self, architectures: Integers) -> Integers:
        """The expansion option of every block, shape (n, blocks)."""
        return self._taken(architectures, self._expansions)

    def used(self, architectures: Integers) -> Bools:
        """Whether the depth reaches each block, shape (n, blocks)."""
        depths = self._depth_values[self.stages, self._taken(architectures, self._depths)]
        return np.asarray(depths > self.numbers)

    def active(self, architectures: Integers) -> Bools:
        """Whether each choice is active, shape (n, choices)."""
        found = np.ones((len(architectures), len(self.sizes) + 1), dtype=bool)
        used = self.used(architectures)
        found[:, self._kernels] = used
        found[:, self._expansions] = used
        return found[:, :-1]

    def canonical(self, architectures: Integers) -> Integers:
        """Option 0 where a choice is not active."""
        return np.asarray(architectures * self.active(architectures))

    def features(self, architectures: Integers) -> Floats:
        """As `Space.features`, shape (n, features)."""
        found = np.zeros((len(architectures), int(self._one_hot[-1])))
        rows = np.arange(len(architectures))[:, None]
        found[rows, self._one_hot[:-1] + architectures] = self.active(architectures)
        return found

    def draw(self, count: int, generator: np.random.Generator) -> Integers:
        """Canonical architectures with uniform options, shape (count, choices)."""
        return self.canonical(generator.integers(self.sizes, size=(count, len(self.sizes))))

    def _columns(self, names: list[str]) -> Integers:
        """The column of each choice; that of none is one beyond the last."""
        return np.array([self.space.positions.get(name, len(self.sizes)) for name in names])

    def _taken(self, architectures: Integers, columns: Integers) -> Integers:
        padded = np.column_stack((architectures, np.zeros(len(architectures), dtype=np.int64)))
        return np.asarray(padded[:, columns])
