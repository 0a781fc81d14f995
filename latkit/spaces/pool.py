"""A pool: some architectures of another space, of which alone something is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from random import Random
from typing import Any

import numpy as np

from latkit._io.arrays import Floats
from latkit.errors import UsageError
from latkit.ops import Network, digest
from latkit.spaces.base import Architecture, Space
from latkit.spaces.subspace import Subspace

MAX_MEMBERS = 1_000_000
NEIGHBORS = 20


class PoolSpace(Subspace):
    """The members of a pool, in canonical form. Its neighbors are the members whose features are nearest."""

    format = "latkit-pool-1"

    def __init__(self, name: str, base: Space, members: Sequence[Sequence[int]]) -> None:
        """Raises UsageError for a member that is not of the space, and for fewer than two."""
        self.name, self.base = name, base
        self.members: tuple[Architecture, ...] = tuple(dict.fromkeys(base.canonical(one) for one in members))
        """The distinct members, in order."""
        if not 2 <= len(self.members) <= MAX_MEMBERS:
            raise UsageError(f"pool {name}: expected 2 to {MAX_MEMBERS} members, but found {len(self.members)}")
        self._positions = {member: row for row, member in enumerate(self.members)}

    @cached_property
    def key(self) -> str:
        """Hash of the space and the members."""
        return digest([self.base.key, self.members])

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.members)

    def decode(self, architecture: Sequence[int], name: str = "") -> Network:
        """The network of an architecture. Raises UsageError as `check` does."""
        return self.base.decode(self.check(architecture), name)

    def check(self, architecture: Sequence[int]) -> Architecture:
        """The architecture, if its canonical form is a member. Raises UsageError."""
        if tuple(architecture) in self._positions:
            return tuple(architecture)
        checked = self.base.check(architecture)
        if self.base.canonical(checked) not in self._positions:
            raise UsageError(f"pool {self.name}: expected a member, but found {checked}")
        return checked

    def sample(self, rng: Random) -> Architecture:
        """A member, drawn uniformly."""
        return self.members[rng.randrange(len(self.members))]

    def canonical(self, architecture: Sequence[int]) -> Architecture:
        """The member of an architecture. Raises UsageError as `check` does."""
        checked = self.check(architecture)
        return checked if checked in self._positions else self.base.canonical(checked)

    def neighbors(self, architecture: Sequence[int]) -> Iterator[Architecture]:
        """The 20 members whose features differ least (sum of absolute differences), nearest first."""
        row = self._positions[self.canonical(architecture)]
        distances = np.abs(self._features - self._features[row]).sum(axis=1)
        distances[row] = np.inf
        for other in np.argsort(distances, kind="stable")[: min(NEIGHBORS, len(self.members) - 1)]:
            yield self.members[other]

    def features(self, architecture: Sequence[int]) -> tuple[float, ...]:
        """Those of the space."""
        return self.base.features(self.check(architecture))

    def to_json(self) -> dict[str, object]:
        """The space as a JSON document."""
        members = [list(member) for member in self.members]
        return {"format": self.format, "name": self.name, "space": self.base.to_json(), "members": members}

    @classmethod
    def from_json(cls, document: Any) -> PoolSpace:
        """The pool that `to_json` gave. Raises UsageError and KeyError."""
        from latkit.spaces.registry import SPACE_FORMATS

        base = SPACE_FORMATS.get(document["space"]["format"]).from_json(document["space"])  # type: ignore[attr-defined]
        return cls(document["name"], base, document["members"])

    @cached_property
    def _features(self) -> Floats:
        return np.array([self.base.features(member) for member in self.members])
