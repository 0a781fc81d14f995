"""Commands run in this process, and what a terminal would have got of them."""

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
"""What turns text around, has no width, or ends a line where nobody sees an end."""


def is_raw(character: str) -> bool:
    """Whether a terminal would obey it, or a person be fooled, in place of seeing it. Lines and tabs are meant."""
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
    """Keeps what commands print. Exceptions of commands are passed on, before `main` would make a line of them."""

    def __init__(self) -> None:
        self.text = ""

    def run(self, root: Path, *words: object) -> int:
        """Run `latkit -C root WORDS`; its exit code."""
        argv = ["-C", str(root), *map(str, words)]
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
    """Send this process's own outputs nowhere: libraries in C print what they like."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)
