"""Reading records that a page shows among others: an unreadable one is reported on it, and the rest is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from latkit._io import reading
from latkit.errors import LatkitError
from latkit.report.html import Html, join, notice

Key = TypeVar("Key")
Record = TypeVar("Record")


def each(read: Callable[[Key], Record], keys: Iterable[Key], troubles: list[str]) -> list[Record]:
    """The result of a function for every key; if it fails, the error is noted instead."""
    found: list[Record] = []
    for key in keys:
        try:
            found.append(read(key))
        except LatkitError as error:
            troubles.append(str(error))
    return found


def shown(what: object, render: Callable[[], Html]) -> Html:
    """The rendered part; if the records that it shows do not belong together, that is reported instead.

    Records are checked one by one when they are read. If several were exchanged or edited by hand, only rendering
    them finds that they contradict one another.
    """
    try:
        with reading(what, "records that belong together"):
            return render()
    except LatkitError as error:
        return trouble_notices([str(error)])


def trouble_notices(troubles: Iterable[str]) -> Html:
    """Reports what could not be read."""
    return join([notice(f"Cannot be read: {trouble}") for trouble in troubles])
