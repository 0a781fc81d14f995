"""What the command line shows: documents on stdout, progress and errors on stderr.

Much of the text comes from devices, files and servers. All of it passes through `printable`, and none is markup.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from latkit._io import printable
from latkit.progress import Callbacks

Cell = str | int | float | None

NAMED = 3
"""At most this many of those left out for one reason are named."""

SHARE_OF_HEADINGS = 0.95
"""At most this share of a line for the longest words of headings: values need the rest."""


def stdout() -> Console:
    """The console for results."""
    return Console(soft_wrap=True, highlight=False)


def say(text: str) -> None:
    """A line for people, on stdout."""
    stdout().print(Text(printable(text)))


def note(text: str) -> None:
    """A message for people, on stderr."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(Text(printable(text)))


def note_left_out(left_out: Iterable[tuple[str, str]]) -> None:
    """Titles and why each was left out: one message per reason, which names the first few."""
    by_reason: dict[str, list[str]] = {}
    for title, reason in left_out:
        by_reason.setdefault(reason, []).append(title)
    for reason, titles in by_reason.items():
        more = f" and {len(titles) - NAMED} more" if len(titles) > NAMED else ""
        note(f"left out: {', '.join(titles[:NAMED])}{more}: {reason}")


def emit_json(document: object) -> None:
    """The one document of a command called with --json."""
    sys.stdout.write(json.dumps(document, indent=1, default=str) + "\n")


def ask_on_terminal(question: str) -> bool:
    """Ask a question that only a person may answer. It is written past the progress bars on the terminal."""
    if not (sys.__stdin__ and sys.__stderr__ and sys.__stdin__.isatty() and sys.__stderr__.isatty()):
        return False
    sys.__stderr__.write(f"{printable(question)} [y/N] ")
    sys.__stderr__.flush()
    return sys.__stdin__.readline().strip().lower() in ("y", "yes")


def show_table(title: str, rows: Sequence[Mapping[str, Cell]]) -> None:
    """Rows with the same columns as a table on stdout.

    Headings and values wrap between words. On a narrow terminal, columns touch, and then words of values are broken;
    where even the longest words of headings do not fit, every column becomes a line, and rows that do not fit beside
    each other follow in further tables.
    """
    names = list(rows[0]) if rows else []
    headings = [name.replace("_", " ") for name in names]
    widths = [_longest_word([heading]) for heading in headings]
    console = stdout()
    count = len(widths)
    unbroken = [
        _longest_word([heading, *(row[name] for row in rows)]) for heading, name in zip(headings, names, strict=True)
    ]
    padding = next((p for p in (1, 0) if sum(unbroken) + (2 * p + 1) * count + 1 <= console.width), None)
    if padding is not None:
        widths = unbroken
    elif sum(widths) + 3 * count + 1 > SHARE_OF_HEADINGS * console.width:
        for part in _side_by_side(rows, console.width - max(map(len, headings), default=0) - 4):
            console.print(_transposed(title, headings, part))
            title = ""
        return
    table = Table(title=_cell(title), title_justify="left", padding=(0, 1 if padding is None else padding))
    for heading, width, values in zip(headings, widths, zip(*(row.values() for row in rows), strict=True), strict=True):
        numeric = all(isinstance(value, int | float) for value in values)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        table.add_column(_cell(heading), justify=justify, min_width=width, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console.print(table)


def _longest_word(values: Iterable[Cell]) -> int:
    """Characters of the longest word, of which a break would be hard to read."""
    return max((len(word) for value in values for word in _cell(value).plain.split()), default=0)


def _side_by_side(rows: Sequence[Mapping[str, Cell]], width: int) -> Iterator[list[Mapping[str, Cell]]]:
    """The rows in groups whose values, as columns, fit into a width without breaking inside a word."""
    group: list[Mapping[str, Cell]] = []
    used = 0
    for row in rows:
        needed = 3 + _longest_word(row.values())
        if group and used + needed > width:
            yield group
            group, used = [], 0
        group.append(row)
        used += needed
    yield group


def _transposed(title: str, headings: Sequence[str], rows: Sequence[Mapping[str, Cell]]) -> Table:
    """A table with a line for each column, and a column for each row."""
    table = Table(title=_cell(title) if title else None, title_justify="left", show_header=False)
    table.add_column(style="bold", min_width=max(map(len, headings), default=0))
    for _ in rows:
        table.add_column(overflow="fold")
    for heading, values in zip(headings, zip(*(row.values() for row in rows), strict=True), strict=True):
        table.add_row(_cell(heading), *map(_cell, values))
    return table


def show_facts(title: str, facts: Mapping[str, Cell]) -> None:
    """Names and values, one per line."""
    table = Table(title=_cell(title), title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(_cell(name), _cell(value))
    stdout().print(table)


def _cell(value: Cell) -> Text:
    if value is None:
        return Text("–")
    return Text(f"{value:.4g}" if isinstance(value, float) else printable(str(value)))


@contextmanager
def showing_progress() -> Iterator[Callbacks]:
    """Callbacks that show progress and messages on stderr."""
    from latkit.cli.progress_bars import ConsoleProgress  # rich's bars take longer to import than the help to print

    with ConsoleProgress() as progress:
        yield Callbacks(progress, note)
