"""The outcome of an input: accepted, refused in a line, or one of the forbidden ones."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

import latkit
from benchmarks.fuzzing.terminal import raw_characters
from latkit._io import printable
from latkit.errors import LatkitError

PACKAGE = Path(latkit.__file__).parent
ACCEPTED, REFUSED = "accepted", "refused"
TRACEBACK, HANG, MEMORY = "TRACEBACK", "HANG", "MEMORY"
UNTIDY = "UNTIDY"
"""Refused, but in several lines."""
RAW = "RAW"
"""A terminal would have got control characters."""
UNMADE = "UNMADE"
"""The mutation itself failed: not a fault of latkit's, and no input."""
FAILURES = (TRACEBACK, HANG, MEMORY, UNTIDY, RAW, UNMADE)
MAX_BYTES = 2 * 2**30
MAX_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one input."""

    kind: str
    where: str = ""
    """The exception and the line of latkit that it came from: failures of one location count as one."""
    message: str = ""
    trace: str = ""

    @property
    def failed(self) -> bool:
        """Whether latkit must not do that."""
        return self.kind in FAILURES


def judged(use: Callable[[], object], shown: Callable[[], str]) -> Outcome:
    """Run it, and judge its outcome. `shown` returns what a terminal has got meanwhile."""
    try:
        use()
    except (LatkitError, click.ClickException) as error:
        outcome = _refused(error)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of a library in Rust is no Exception
        return Outcome(TRACEBACK, place(error), _text(error)[:500], "".join(traceback.format_exception(error)))
    else:
        outcome = Outcome(ACCEPTED)
    if raw_characters(shown()):
        text = next(line for line in shown().split("\n") if raw_characters(line))
        return Outcome(RAW, outcome.where or "what a command shows", ascii(text)[:500])
    return outcome


def _refused(error: Exception) -> Outcome:
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    if "\n" in text or not text.strip():
        return Outcome(UNTIDY, place(error), text[:500], "".join(traceback.format_exception(error)))
    if raw_characters(printable(text)):
        return Outcome(RAW, place(error), ascii(text)[:500])
    return Outcome(REFUSED, place(error), text[:500])


def place(error: BaseException) -> str:
    """The type of an exception, and the innermost line of latkit that it passed through."""
    lines = [
        f"{Path(frame.filename).relative_to(PACKAGE)}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(PACKAGE)
    ]
    return f"{type(error).__name__} {lines[-1] if lines else 'outside latkit'}"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as other:  # noqa: BLE001 - some errors cannot be shown
        return f"an error without a text: {type(other).__name__}"
