"""Progress on stderr: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from latkit._io import one_line
from latkit.cli.console import note
from latkit.progress import Pace

SECONDS_BETWEEN_LINES = 10.0
"""Seconds between two lines of progress where there is no terminal to draw on."""


class ConsoleProgress:
    """Bars with the estimated time left where stderr is a terminal; elsewhere a line every few seconds."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description:<10}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._paces: dict[str, Pace] = {}
        self._reported_at: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bars.stop()

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
        """Show that `done` of `total` steps of a phase are finished; a phase that starts again counts from zero."""
        now = time.monotonic()
        pace = self._paces.get(phase)
        if pace is None or done <= pace.done:
            pace = self._paces[phase] = Pace()
            self._reported_at[phase] = now
            if phase in self._tasks:
                self._bars.remove_task(self._tasks.pop(phase))
        pace.note(now, done)
        if self._console.is_terminal:
            if phase not in self._tasks:
                self._tasks[phase] = self._bars.add_task(phase, text="")
            self._bars.update(self._tasks[phase], completed=done, total=total, text=one_line(text, 40))
        elif now - self._reported_at[phase] >= SECONDS_BETWEEN_LINES:
            self._reported_at[phase] = now
            note(f"{phase}: {done} of {total}, about {pace.left_s(total):.0f} s left")
