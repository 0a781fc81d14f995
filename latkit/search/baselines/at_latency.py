"""The part of a space that takes a latency: what baselines draw from, and what strategies search."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from random import Random

import numpy as np
import torch

from latkit.errors import UsageError
from latkit.ops import Network, digest
from latkit.search.baselines.sampling import LatencySampler
from latkit.search.goals import Goal, Goals
from latkit.search.strategies.random_search import RandomSearch
from latkit.search.tasks.names import DEFAULT_METRIC
from latkit.spaces import Architecture, Space
from latkit.spaces.subspace import Subspace

MAX_CHANGES = 2
"""Choices in which neighbors differ: one change alone seldom keeps the latency."""


class AtLatency(Subspace):
    """The architectures within the bounds of a sampler, which draws them uniformly.

    Neighbors differ in one or two choices; all are within the bounds.
    """

    def __init__(self, base: Space, sampler: LatencySampler) -> None:
        self.base, self.sampler, self.name = base, sampler, base.name

    @property
    def key(self) -> str:
        """Hash of the space and the bounds."""
        return digest([self.base.key, self.sampler.min_s, self.sampler.max_s])

    def decode(self, architecture: Sequence[int], name: str = "") -> Network:
        """See `Space`."""
        return self.base.decode(architecture, name)

    def to_json(self) -> dict[str, object]:
        """The space; the bounds are not part of it."""
        return self.base.to_json()

    def canonical(self, architecture: Sequence[int]) -> Architecture:
        """See `Space`."""
        return self.base.canonical(architecture)

    def features(self, architecture: Sequence[int]) -> tuple[float, ...]:
        """Those of the space."""
        return self.base.features(architecture)

    def sample(self, rng: Random) -> Architecture:
        """An architecture within the bounds, drawn uniformly."""
        return self.sampler.draw(rng)

    def neighbors(self, architecture: Sequence[int]) -> Iterator[Architecture]:
        """The architectures within the bounds that differ in at most two choices."""
        changed = changes(self.check(architecture), [len(choice.options) for choice in self.choices])
        seconds = self.sampler.table.lookup(torch.from_numpy(changed)).numpy()
        within = (self.sampler.min_s <= seconds) & (seconds <= self.sampler.max_s)
        yield from map(tuple, changed[within].tolist())


def changes(architecture: Architecture, sizes: Sequence[int]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """All architectures that differ in one or two choices, one per row; `sizes`: the options of each choice."""
    rows: list[Architecture] = []
    for count in range(1, MAX_CHANGES + 1):
        for places in itertools.combinations(range(len(sizes)), count):
            others = [[option for option in range(sizes[at]) if option != architecture[at]] for at in places]
            for options in itertools.product(*others):
                row = list(architecture)
                for at, option in zip(places, options, strict=True):
                    row[at] = option
                rows.append(tuple(row))
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(sizes))


def random_architectures(space: Space, sampler: LatencySampler, count: int, seed: int) -> list[Architecture]:
    """`count` architectures of different networks within the bounds; a larger count extends the same sequence.

    Raises UsageError where there are fewer.
    """
    found = RandomSearch(AtLatency(space, sampler), Goals((Goal(DEFAULT_METRIC, True),)), seed).ask(count)
    if len(found) < count:
        raise UsageError(
            f"expected {count} random networks of {sampler.min_s * 1e3:.4g} to {sampler.max_s * 1e3:.4g} ms, "
            f"but space {space.name} has about {len(found)}; ask for fewer"
        )
    return found
