"""The protocol of a search strategy: it asks for architectures and receives verdicts."""

from __future__ import annotations

import dataclasses
import random
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from latkit.errors import UsageError
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import Goals
from latkit.spaces.base import Architecture, Space

MAX_DRAWS = 1000
"""Draws in a row that may give known architectures before a strategy counts the space as exhausted."""


@dataclass(frozen=True)
class NoSettings:
    """The settings of a strategy that has none."""


class Strategy(ABC):
    """Proposes architectures of a space. It has no loop, no device and no torch.

    All of its state follows from the space, the goals, the settings, the seed, and the calls of `ask` and `tell`: a
    replay of the calls recovers it. Every requested architecture is reported back, in the order of asking; up to then
    it is pending, and not requested again.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for people, with the paper."""
    handles_front: ClassVar[bool] = False
    """Whether it searches a Pareto front where there are several goals."""
    is_distinct: ClassVar[bool] = True
    """Whether it never asks for two architectures of the same canonical form."""
    settings_type: ClassVar[type[Any]] = NoSettings
    """A frozen dataclass with the settings and their defaults."""

    def __init__(self, space: Space, goals: Goals, seed: int = 0, settings: Any = None) -> None:
        if goals.is_front and not self.handles_front:
            raise UsageError(
                f"strategy {self.name}: expected one quantity to maximize or minimize, "
                f"but found {len(goals.goals)}: {', '.join(map(str, goals.goals))}"
            )
        self.space, self.goals, self.seed = space, goals, seed
        self.settings = self.settings_type() if settings is None else settings
        self.rng = random.Random(f"{self.name}/{seed}")
        self.requested: set[Architecture] = set()
        """Canonical forms of everything requested."""
        self.parents: dict[Architecture, Architecture] = {}
        """By architecture, the one that was changed into it: the lineage of what was requested."""
        self._canonical: dict[Architecture, Architecture] = {}

    def ask(self, count: int = 1) -> list[Architecture]:
        """The next architectures to evaluate, in canonical form; fewer than `count` where the space is exhausted."""
        found: list[Architecture] = []
        while len(found) < count and (new := self.propose()) is not None:
            self.requested.add(new)
            found.append(new)
        return found

    @abstractmethod
    def propose(self) -> Architecture | None:
        """The next architecture, in canonical form; None where the space is exhausted."""

    @abstractmethod
    def tell(self, architecture: Architecture, verdict: Verdict) -> None:
        """Learn the verdict of an architecture, in the order of asking. A failure is a verdict."""

    def effort(self, architecture: Architecture) -> float | None:  # noqa: ARG002 - a wrapper knows
        """The effort at which a pending architecture is evaluated; None for the evaluator's last."""
        return None

    def canonical(self, architecture: Architecture) -> Architecture:
        """The canonical form, remembered."""
        found = self._canonical.get(architecture)
        if found is None:
            found = self._canonical[architecture] = self.space.canonical(architecture)
        return found

    def sample_new(self) -> Architecture | None:
        """A uniformly drawn architecture that was not requested; None where the space is exhausted."""
        for _ in range(MAX_DRAWS):
            drawn = self.canonical(self.space.sample(self.rng))
            if drawn not in self.requested:
                return drawn
        return self._first_new()

    def _first_new(self) -> Architecture | None:
        """An architecture that was not requested, found from those that were; None where there is none."""
        for known in sorted(self.requested):
            for neighbor in self.space.neighbors(known):
                if self.canonical(neighbor) not in self.requested:
                    return self.canonical(neighbor)
        return None


def settings_json(strategy: Strategy) -> dict[str, Any]:
    """The settings by name."""
    return dataclasses.asdict(strategy.settings)
