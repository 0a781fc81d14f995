"""How long work reports its progress. The caller chooses who shows it, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Progress(Protocol):
    """Receives how far a piece of work is."""

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
        """`done` of `total` steps of `phase` are finished; `text` is about the step that just ended."""


class Silent:
    """Shows nothing."""

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Named:
    """Reports the progress of one of several."""

    progress: Progress
    name: str

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
        """With the name before the phase."""
        self.progress.advance(f"{self.name}: {phase}", done, total, text)
