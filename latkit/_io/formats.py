"""Formats of files: whether an older or a newer latkit wrote one that cannot be read, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from latkit._io.text import one_line
from latkit._version import __version__

MAX_DIGITS = 9
MAX_RELEASE_CHARS = 20
MAKE_AGAIN = "make it again, or read it with that version"
WROTE = "latkit wrote"
"""In the phrase about a file of another format: the version stands before the verb."""


def naming_release(found: str, release: object) -> str:
    """A phrase about a file that cannot be read, with the version of latkit that the file says wrote it, if any.

    The phrase stays as it is where that is this version, whose files it can read.
    """
    if not isinstance(release, str) or not release:
        return found
    shown = one_line(release, MAX_RELEASE_CHARS)
    if WROTE in found:
        return found.replace(WROTE, f"latkit ({shown}) wrote", 1)
    return found if release == __version__ else f"{found}; latkit {shown} wrote it: {MAKE_AGAIN}"


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
        return naming_release(f"{shown}, which an older {WROTE}; {remedy}", release)
    otherwise = "" if remedy == MAKE_AGAIN else f", or {remedy}"
    return naming_release(f"{shown}, which a newer {WROTE}; update latkit{otherwise}", release)
