"""TOML that others may have written: parsed in bounded time, with nothing in it that fails later."""

from __future__ import annotations

import re
import tomllib

from latkit._io.reading import check_document

MAX_KEY_PARTS = 20

_APART = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|' + r"'''.*?'''|" + r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'|#[^\n]*", flags=re.DOTALL
)
"""Strings and comments: dots in them part no key."""
# a part begins where no other character of one stands before: else many digits in a row are looked through from each
_LONG_KEY = re.compile(rf"(?<![\w-])(?:[\w-]+[ \t]*\.[ \t]*){{{MAX_KEY_PARTS}}}")


def parse_toml(text: str) -> dict[str, object]:
    """A TOML document. Raises ValueError, also for keys of many parts, which tomllib takes minutes for.

    Refused as well are numbers that are beyond 64 bits, and values nested too deep.
    """
    if _LONG_KEY.search(_APART.sub(lambda match: "" if match[0][0] == "#" else "s", text)):
        raise ValueError(f"a key of more than {MAX_KEY_PARTS} parts")
    document = tomllib.loads(text)
    check_document(document)
    return document
