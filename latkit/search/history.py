"""The history of a search: JSON lines, a header and one line per verdict, in the order of asking."""

from __future__ import annotations

import fcntl
import json
import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latkit._io import host_error, one_line, other_format, parse_json, read_bytes, reading
from latkit._version import __version__
from latkit.errors import BadFile, StoreBusy, UsageError
from latkit.search.evaluators.base import Evaluator, Range
from latkit.search.evaluators.verdict import Verdict
from latkit.search.strategies.base import Strategy, settings_json
from latkit.spaces.base import Architecture

FORMAT = "latkit-search-history-1"
EXPECTED = "the history of a search"
REMEDY = "resume with that version, or give another --name"


@dataclass(frozen=True, slots=True)
class Entry:
    """One verdict."""

    number: int
    """Position in the order of asking, from 0."""
    architecture: Architecture
    verdict: Verdict
    effort: float | None = None
    parent: Architecture | None = None
    """The architecture that the strategy changed into this one, where there is one."""

    def to_json(self) -> dict[str, object]:
        """The line of the history."""
        effort = {} if self.effort is None else {"effort": self.effort}
        parent = {} if self.parent is None else {"parent": list(self.parent)}
        return {
            "number": self.number,
            "architecture": list(self.architecture),
            **effort,
            **parent,
            **self.verdict.to_json(),
        }

    @classmethod
    def from_json(cls, document: object) -> Entry:
        """The entry of a line. Raises UsageError."""
        if not isinstance(document, dict):
            raise UsageError("expected an object in every line")
        number, architecture, effort = (document.get(name) for name in ("number", "architecture", "effort"))
        if not isinstance(number, int) or not isinstance(architecture, list) or not isinstance(effort, float | None):
            raise UsageError("expected a number, an architecture and its verdict in every line")
        parent = document.get("parent")
        if not isinstance(parent, list | None):
            raise UsageError("expected the parent of an architecture as a list")
        if not all(isinstance(index, int) for index in (*architecture, *(parent or ()))):
            raise UsageError("expected an architecture of whole numbers")
        found = None if parent is None else tuple(parent)
        return cls(number, tuple(architecture), Verdict.from_json(document), effort, found)


def header(strategy: Strategy, evaluator: Evaluator, batch: int) -> dict[str, object]:
    """What a history belongs to: it continues only with the same."""
    found: dict[str, object] = {
        "format": FORMAT,
        "space": strategy.space.name,
        "space_key": strategy.space.key,
        "strategy": strategy.name,
        "settings": settings_json(strategy),
        "seed": strategy.seed,
        "goals": list(strategy.goals.texts),
        "evaluator": evaluator.name,
        "batch": batch,
    }
    return dict(json.loads(json.dumps(found)))


class History:
    """A file that grows by one line per verdict. A line that was cut off by a crash is dropped when it is opened.

    One process writes it at a time. Raises StoreBusy where another one does. `ranges` are those of the evaluator.
    """

    def __init__(
        self, path: str | os.PathLike[str], expected: dict[str, object], ranges: Mapping[str, Range] | None = None
    ) -> None:
        self.path = Path(path)
        self._release = weakref.finalize(self, _unlock, _lock(self.path))
        self.entries: dict[int, Entry] = {}
        """By number, what earlier runs saved."""
        self._early = self.path.with_name(f"{self.path.name}.early")
        lines = list(_complete_lines(self.path))
        if lines:
            _check(self.path, lines[0], expected)
        else:
            self._early.unlink(missing_ok=True)  # of a history that was removed
            _append(self.path, {**expected, "latkit": __version__}, truncate_at=0)
        for entry in _read_entries(self.path, lines[1:], 2, "this line and all below it"):
            if entry.number != len(self.entries):
                line = len(self.entries) + 2
                raise BadFile(self.path, f"{EXPECTED} with verdict {line - 2} in line {line}", f"number {entry.number}")
            self.entries[entry.number] = entry
        if lines:
            _truncate(self.path, sum(len(line) + 1 for line in lines))
        self._read_early()
        for entry in self.entries.values():
            _check_ranges(self.path, entry, ranges or {})

    @property
    def is_new(self) -> bool:
        """Whether nothing was saved before."""
        return not self.entries

    def append(self, entry: Entry) -> None:
        """Write a verdict whose turn it is. Raises WriteError and DiskFull."""
        if entry.number not in self._lines:
            _append(self.path, entry.to_json())

    def append_early(self, entry: Entry) -> None:
        """Keep a verdict that came before those requested earlier, in a file beside the history."""
        _append(self._early, entry.to_json())

    def close(self) -> None:
        """Remove the file of early verdicts, at the end of a search."""
        self._early.unlink(missing_ok=True)
        self._release()

    def _read_early(self) -> None:
        self._lines = frozenset(self.entries)
        lines = list(_complete_lines(self._early))
        for entry in _read_entries(self._early, lines, 1, "the file"):
            self.entries.setdefault(entry.number, entry)
        if self._early.exists():
            _truncate(self._early, sum(len(line) + 1 for line in lines))


def check_history(path: Path, expected: dict[str, object]) -> None:
    """Raise BadFile where there is the history of another search at `path`. Nothing is written."""
    if lines := list(_complete_lines(path)):
        _check(path, lines[0], expected)


def _check(path: Path, line: bytes, expected: dict[str, object]) -> None:
    with reading(path, EXPECTED):
        found = parse_json(line)
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            release, version = (found.get(name) if isinstance(found, dict) else None for name in ("latkit", "format"))
            raise UsageError(f"no header of the format {FORMAT}: {other_format(version, [FORMAT], REMEDY, release)}")
    for name, value in expected.items():
        if found.get(name) != value and found.get(name) != f"{value} after {value}":  # so named in version 0.1
            shown = one_line(json.dumps(found.get(name)), 200)
            raise BadFile(path, f"a history of {name} {json.dumps(value)}", f"{name} {shown}")


def _check_ranges(path: Path, entry: Entry, ranges: Mapping[str, Range]) -> None:
    for name, value in entry.verdict.quantities.items():
        lowest, highest = ranges.get(name, (value, value))
        if not lowest <= value <= highest:
            expected = f"{EXPECTED} with {one_line(name, 80)} from {lowest:g} to {highest:g}"
            raise BadFile(path, expected, f"{value:g} in verdict {entry.number}")


def _read_entries(path: Path, lines: Sequence[bytes], first: int, removed: str) -> Iterator[Entry]:
    """The verdicts of lines, the first of which has that number. Raises BadFile; `removed`: what to remove then."""
    for number, line in enumerate(lines, first):
        expected = f"{EXPECTED} with a verdict in line {number} (to evaluate it again, remove {removed})"
        with reading(path, expected):
            entry = Entry.from_json(parse_json(line))
        yield entry


_locks: dict[tuple[int, int], int] = {}
"""By device and inode, handles of the histories that this process writes."""


def _lock(path: Path) -> tuple[int, int]:
    """Keep other processes from writing a history; this one may open it again. Raises StoreBusy and WriteError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise host_error(error, path) or error from error
    found = os.fstat(handle)
    key = found.st_dev, found.st_ino
    if key in _locks:
        os.close(handle)
        return key
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise StoreBusy(
            f"{path}: expected no other process that writes it, but found one; wait until it ends, or give another name"
        ) from error
    except OSError:  # a file system without locks
        pass
    _locks[key] = handle
    return key


def _unlock(key: tuple[int, int]) -> None:
    if key in _locks:
        os.close(_locks.pop(key))


def read_history(path: Path, max_entries: int | None = None) -> tuple[dict[str, Any], tuple[Entry, ...]]:
    """The header of a history that others may still write, and its first `max_entries` verdicts. Raises BadFile."""
    with reading(path, EXPECTED):
        first, *lines = read_bytes(path, EXPECTED).split(b"\n")
        header = parse_json(first) if first else {}  # a new file is empty for a moment
        if not isinstance(header, dict):
            raise UsageError("no header")
        return header, tuple(Entry.from_json(parse_json(line)) for line in lines[:-1][:max_entries])


def read_entries(path: Path, max_entries: int | None = None) -> tuple[Entry, ...]:
    """The verdicts of `read_history`. Raises BadFile."""
    return read_history(path, max_entries)[1]


def _complete_lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        *lines, _ = read_bytes(path, EXPECTED).split(b"\n")
        yield from lines


def _truncate(path: Path, size: int) -> None:
    if path.stat().st_size != size:
        os.truncate(path, size)


def _append(path: Path, document: dict[str, object], truncate_at: int | None = None) -> None:
    """One line in a single write, so that a killed process leaves it complete or cut off, never mixed."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if truncate_at is not None:
                os.ftruncate(handle, truncate_at)
            os.write(handle, json.dumps(document).encode() + b"\n")
        finally:
            os.close(handle)
    except OSError as error:
        raise host_error(error, path) or error from error
