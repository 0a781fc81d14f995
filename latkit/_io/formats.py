"""Formats of files: whether an older or a newer latkit wrote one that cannot be read, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from latkit._io.text import one_line

MAX_DIGITS = 9
MAKE_AGAIN = "make it again, or read it with that version"


def _wrote(release: object) -> str:
    """The end of a phrase about the latkit that wrote a file: its version, where the file says one."""
    return f" ({one_line(release, 20)}) wrote" if isinstance(release, str) and release else " wrote"


def other_format(found: object, formats: Sequence[str], remedy: str = MAKE_AGAIN, release: object = None) -> str:
    """What a file has in place of one of these formats, of which the last is the newest: in a phrase for an error.

    A format is a number, after a name and a hyphen or alone. `remedy`: what to do with an older file. `release`: the
    version of latkit that the file says wrote it, where it says one.
    """
    if found is None:
        return "no format in it"
    text = str(found)
    name, hyphen, newest = formats[-1].rpartition("-")
    number = text.removeprefix(name + hyphen)
    shown = f"format {one_line(repr(found), 60)}"
    if not (text.startswith(name + hyphen) and number.isdecimal()):
        return shown
    if int(number[:MAX_DIGITS]) < int(newest):
        return f"{shown}, which an older latkit{_wrote(release)}; {remedy}"
    otherwise = "" if remedy == MAKE_AGAIN else f", or {remedy}"
    return f"{shown}, which a newer latkit{_wrote(release)}; update latkit{otherwise}"
