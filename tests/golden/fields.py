"""The JSON fields of every command: none is dropped, and none changes its type.

Values differ from run to run where a command measures. `fields.json` has the fields that every document of a command
has, for each of its kinds of documents, as paths: `a.b` is the field `b` of the object `a`, `a[]` an element of the
list `a`. Version 0.1 wrote all of them that it knew. Every document that a test's `latkit` fixture gets is checked.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from latkit.cli.app import app

FILE = Path(__file__).with_name("fields.json")
TYPES: Mapping[type, str] = {
    bool: "true or false",
    int: "number",
    float: "number",
    str: "text",
    list: "list",
    dict: "object",
}


@functools.cache
def commands() -> tuple[str, ...]:
    """Every command of the command line, such as `device add`."""
    return tuple(sorted(_commands(typer.main.get_command(app), ())))


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    for name, one in getattr(command, "commands", {}).items():
        yield from _commands(one, (*path, name))
    if not hasattr(command, "commands"):
        yield " ".join(path)


def command_of(argv: Sequence[str]) -> str | None:
    """The command of a call; None for an old spelling."""
    for place in range(len(argv)):
        for name in (" ".join(argv[place : place + 2]), argv[place]):
            if name in commands():
                return name
    return None


@functools.cache
def golden_fields() -> Mapping[str, list[dict[str, str]]]:
    """By command: the fields of each kind of its documents, with the types of their values."""
    found: Mapping[str, list[dict[str, str]]] = json.loads(FILE.read_text())
    return found


def types_of(document: Any, path: str = "") -> dict[str, set[str]]:
    """The fields of a document with the types of their values, and in lists those that every element has."""
    found = {path: set() if document is None else {TYPES[type(document)]}}
    if isinstance(document, dict):
        for name, value in document.items():
            found.update(types_of(value, f"{path}.{name}" if path else name))
    elif isinstance(document, list) and document:
        elements = [types_of(one, f"{path}[]") for one in document]
        shared = functools.reduce(lambda left, right: left & right, [set(one) for one in elements])
        found.update({field: set().union(*(one[field] for one in elements)) for field in shared})
    return found


def faults(document: Any, golden: Mapping[str, str]) -> list[str]:
    """What a document lacks, or has of another type. New fields are welcome."""
    found, wrong = types_of(document), []
    for field, types in golden.items():
        parent = field.removesuffix("[]") if field.endswith("[]") else field.rpartition(".")[0]
        if field not in found and "object" in found.get(parent, ()) and not field.endswith("[]"):
            wrong.append(f"{field} is missing")
        elif not found.get(field, set()) <= set(types.split(" | ")):
            wrong.append(f"{field} is {' or '.join(sorted(found[field]))}, not {types}")
    return wrong


def check_fields(argv: Sequence[str], document: Any) -> None:
    """Fail where a document fits none of its command's kinds; the error is about the nearest one."""
    command = command_of(argv)
    if kinds := golden_fields().get(command or ""):
        nearest = min((faults(document, golden) for golden in kinds), key=len)
        assert not nearest, f"latkit {command} --json: {'; '.join(nearest)}"
