"""Parses TOML that others may have written, in bounded time, without values that fail later."""

from __future__ import annotations

import re

from latkit._io.parsing.json_text import check_document

MAX_KEY_PARTS = 20

_APART = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|' + r"'''.*?'''|" + r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'|#[^\n]*", flags=re.DOTALL
)
"""Strings and comments: dots in them do not separate keys."""
# a part begins only where no character of a part precedes it: otherwise long runs of digits take quadratic time
_LONG_KEY = re.compile(rf"(?<![\w-])(?:[\w-]+[ \t]*\.[ \t]*){{{MAX_KEY_PARTS}}}")


def parse_toml(text: str) -> dict[str, object]:
    """A TOML document. Raises ValueError, also for keys of many parts, for which tomllib takes minutes.

    Refused as well are numbers that are beyond 64 bits, and values nested too deep.
    """
    import tomllib  # not every command reads TOML

    if _LONG_KEY.search(_APART.sub(lambda match: "" if match[0][0] == "#" else "s", text)):
        raise ValueError(f"a key of more than {MAX_KEY_PARTS} parts")
    document = tomllib.loads(text)
    check_document(document)
    return document
