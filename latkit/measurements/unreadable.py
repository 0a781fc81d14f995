"""Unreadable rounds: reported once, in one line; all other rounds stay usable."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from latkit._io import one_line

_LOG = logging.getLogger("latkit.measurements")
_named: set[tuple[str, tuple[str, ...]]] = set()
"""The rows reported so far: a command reads a target's measurements several times."""

UNKNOWN_KIND = "unknown op kind"
"""Prefix of the reason for a round whose op comes from a package that is not installed here: the round
itself is valid.
"""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row of a store that cannot be read."""

    table: str
    """`rounds` or `baselines`."""
    key: int
    """The row's number."""
    reason: str

    @property
    def is_spoilt(self) -> bool:
        """Whether the row is unreadable on every machine."""
        return not self.reason.startswith(UNKNOWN_KIND)


def name_unreadable(path: Path, target: object, found: Sequence[Unreadable]) -> None:
    """Report what is left out, unless this process has reported it before."""
    if not found:
        return
    identity = str(path.absolute()), tuple(f"{one.table} {one.key}" for one in found)
    if identity in _named:
        return
    _named.add(identity)
    remedy = f"; remove with: latkit measurements repair {target}" if any(one.is_spoilt for one in found) else ""
    _LOG.warning(one_line(f"{target}: left out {summary(found)}{remedy}", 600))


def summary(found: Sequence[Unreadable]) -> str:
    """Number of rows of each kind, and why the first of them cannot be read."""
    counts = Counter(one.table for one in found)
    nouns = {"visits": "round", "scales": "scale"}
    what = ", ".join(f"{count} unreadable {nouns[table]}{'' if count == 1 else 's'}" for table, count in counts.items())
    first = found[0]
    number = f" {first.key}" if first.table == "visits" else ""
    return f"{what} ({nouns[first.table]}{number}: {first.reason})"
