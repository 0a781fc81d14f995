"""How long work reports its progress. The caller chooses who shows it, and how."""

from __future__ import annotations

from collections import deque
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


SECONDS_OF_PACE = 120.0
"""The pace of the last seconds, this many, gives the time left."""


@dataclass(slots=True)
class Pace:
    """How far a phase is, and its recent pace."""

    done: int = 0
    marks: deque[tuple[float, int]] = field(default_factory=deque)
    """Times at which steps were done: recent ones, at most one per second."""
    is_started: bool = False
    """Whether more than one step was reported: one-time work before the first says nothing about the others."""

    def note(self, now: float, done: int) -> None:
        """Record how many steps are done."""
        if len(self.marks) == 2 and not self.is_started:
            self.marks.popleft()  # the first mark precedes one-time work: workers started, models loaded
            self.is_started = True
        self.done = done
        if len(self.marks) > 1 and now - self.marks[-2][0] < 1:
            self.marks.pop()
        self.marks.append((now, done))
        while len(self.marks) > 2 and now - self.marks[1][0] > SECONDS_OF_PACE:
            self.marks.popleft()

    @property
    def is_known(self) -> bool:
        """Whether there are marks enough for an estimate."""
        return len(self.marks) > 1 and self.marks[-1][1] > self.marks[0][1]

    def left_s(self, total: int) -> float:
        """Seconds until all steps are done, at the recent pace; needs at least two marks."""
        (begun, first), (now, done) = self.marks[0], self.marks[-1]
        return (now - begun) / (done - first) * (total - done)
