"""Parses JSON that others may have written, without values that fail later."""

from __future__ import annotations

import json
import math

from latkit._io.text import one_line

MAX_DEPTH = 100
MAX_INTEGER = 2**64
"""Seeds and hashes fit; a larger number is a mistake or an attack, and overflows wherever it is used."""
MAX_DIGITS = 21


def parse_json(text: str | bytes) -> object:
    """A JSON document without values that fail later. Raises ValueError.

    Refused are numbers that are not finite or beyond 64 bits, lone surrogates, and more than MAX_DEPTH levels.
    """
    document = json.loads(text, parse_int=_integer, parse_float=_float, parse_constant=_constant)
    check_document(document)
    return document


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS or abs(value := int(text)) >= MAX_INTEGER:
        raise ValueError(f"the number {one_line(text, MAX_DIGITS)} is beyond 64 bits")
    return value


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{one_line(text, 20)} is too large a number")
    return value


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


def check_document(document: object) -> None:
    """Raise ValueError for values nested too deep, a lone surrogate, and numbers not finite or beyond 64 bits."""
    level: list[object] = [document]
    for _ in range(MAX_DEPTH):  # level by level, without recursion
        below: list[object] = []
        for value in level:
            if isinstance(value, str):
                value.encode()  # UnicodeEncodeError is a ValueError
            elif isinstance(value, dict):
                below += value
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, int) and abs(value) >= MAX_INTEGER:
                raise ValueError("an integer beyond 64 bits")
            elif isinstance(value, float) and not math.isfinite(value):
                raise ValueError("a number that is not finite")
        if not below:
            return
        level = below
    raise ValueError(f"values nested more than {MAX_DEPTH} deep")
