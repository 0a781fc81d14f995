"""Commands run in this process, and their output as a terminal would get it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import click
import typer

from latkit.cli.app import app

INVISIBLE = {0x061C, 0xFEFF, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070)}
"""Characters that reverse text, have no width, or end a line invisibly."""


def is_raw(character: str) -> bool:
    """Whether a terminal would obey the character, or a person be misled. Lines and tabs are allowed."""
    code = ord(character)
    control = code < 0x20 or 0x7F <= code < 0xA0
    return (control and character not in "\n\t") or code in INVISIBLE or 0xD800 <= code < 0xE000


def raw_characters(text: str) -> int:
    """How many such characters are in a text."""
    return sum(map(is_raw, text))


@cache
def command() -> Any:
    """The command line, built once: that takes longer than most commands."""
    return typer.main.get_command(app)


class Terminal:
    """Records what commands print. Exceptions of commands are passed on, before `main` would make a line of them."""

    def __init__(self) -> None:
        self.text = ""

    def run(self, root: Path, *arguments: object) -> int:
        """Run `latkit -C root` with these arguments; its exit code."""
        argv = ["-C", str(root), *map(str, arguments)]
        before, sys.argv = sys.argv, ["latkit", *argv]
        try:
            with self._listening():
                return int(command().main(argv, prog_name="latkit", standalone_mode=False) or 0)
        except (click.exceptions.Exit, typer.Exit) as ended:
            return int(ended.exit_code)
        finally:
            sys.argv = before

    @contextmanager
    def _listening(self) -> Iterator[None]:
        out = io.StringIO()
        try:
            with redirect_stdout(out), redirect_stderr(out):
                yield
        finally:
            self.text += out.getvalue()


def silence() -> None:
    """Discard this process's own outputs: libraries in C print to them."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)
