"""How long work reports its progress. The caller chooses who shows it, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

OnMessage = Callable[[str], None]
"""Receives what a person should know at once: waiting, faults, a device that has changed."""


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


def ignore(_message: str) -> None:
    """Receives messages where nobody reads them."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Who receives the progress and the messages of a piece of work; by default nobody."""

    progress: Progress = field(default_factory=Silent)
    on_message: OnMessage = ignore

    def named(self, name: str) -> Callbacks:
        """For one of several pieces of work: everything carries its name."""
        return Callbacks(Named(self.progress, name), lambda message: self.on_message(f"{name}: {message}"))


SILENT = Callbacks()
