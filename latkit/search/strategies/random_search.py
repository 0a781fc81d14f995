"""Random search: every architecture is as likely as any other."""

from __future__ import annotations

from typing import ClassVar

from latkit.search.evaluators.verdict import Verdict
from latkit.search.strategies.base import Strategy
from latkit.spaces.base import Architecture


class RandomSearch(Strategy):
    """Uniform draws without repetition, up to canonical form."""

    name: ClassVar[str] = "random"
    summary: ClassVar[str] = "uniform draws, each network once"
    handles_front: ClassVar[bool] = True

    def propose(self) -> Architecture | None:
        """A new architecture; None where the space is exhausted."""
        return self.sample_new()

    def tell(self, architecture: Architecture, verdict: Verdict) -> None:
        """Nothing to learn."""
