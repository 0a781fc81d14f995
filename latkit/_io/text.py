"""Text from devices, files and servers, made safe to show: it cannot move a cursor or hide content."""

from __future__ import annotations

import re
from collections.abc import Iterable

from latkit.errors import UsageError

MAX_LINE_CHARS = 300
MAX_LABEL_CHARS = 100

_UNSAFE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, except tab and newline
    "\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # zero-width characters, and changes of text direction
    "\u2028\u2029\ufff9-\ufffb"  # separators that some programs treat as a newline; annotations
    "\ud800-\udfff"  # lone surrogates, which no encoding accepts
    "\U000e0000-\U000e007f"  # tags, which no terminal shows
    "]"
)


def printable(text: str) -> str:
    r"""The text with every control, bidirectional and zero-width character and lone surrogate as an escape.

    Newlines and tabs stay; a carriage return before a newline is dropped. The character that begins a terminal's
    sequences becomes the four characters `\x1b`.
    """
    return _UNSAFE.sub(_escape, text.replace("\r\n", "\n"))


def one_line(text: str, max_chars: int = MAX_LINE_CHARS) -> str:
    """The text as `printable` returns it, on one line and truncated to that length. Empty lines are dropped."""
    lines = (line.strip() for line in printable(text[: 4 * max_chars]).splitlines())
    line = " ".join(line for line in lines if line)
    return line if len(line) <= max_chars and len(text) <= 4 * max_chars else line[: max_chars - 1] + "…"


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """`; did you mean 'evolution'?` with the known name that is most like this one; empty where none is."""
    from difflib import get_close_matches

    nearest = get_close_matches(str(name), list(known), 1)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def check_label(text: object, what: str, max_chars: int = MAX_LABEL_CHARS) -> str:
    """Return a name from a file, such as a space's, if it can be shown unchanged.

    `what` describes the name, such as "a space's name". Raises UsageError for a control character, a newline, spaces
    around it, and more than `max_chars` characters.
    """
    if isinstance(text, str) and text and one_line(text, max_chars) == text:
        return text
    raise UsageError(
        f"expected {what} of 1 to {max_chars} characters without control characters, "
        f"but found {one_line(repr(text), MAX_LABEL_CHARS)}"
    )


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
