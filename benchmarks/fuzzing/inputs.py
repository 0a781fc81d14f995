"""Inputs by number: the content of a reader's file, put there and removed again."""

from __future__ import annotations

import os
import random
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzzing.readers import Reader

SPARSE_BYTES = 3 * 2**30


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, SPARSE_BYTES)


SPECIALS: dict[str, Callable[[Path], None]] = {
    "absent": lambda _path: None,
    "empty": Path.touch,
    "folder": Path.mkdir,
    "fifo": os.mkfifo,
    "loop": lambda path: path.symlink_to(path.name),
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "link to /dev/null": lambda path: path.symlink_to("/dev/null"),
    "socket": _socket,
    "3 GiB of nothing": _sparse,
}
"""Things that are no file, or hardly one, by name."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a reader: a special file by its name, or a content."""

    special: str = ""
    content: bytes = b""

    def put(self, path: Path) -> None:
        """Put it there, in place of the file."""
        remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.special:
            SPECIALS[self.special](path)
        else:
            path.write_bytes(self.content)


def remove(path: Path) -> None:
    """Remove whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class Inputs:
    """A reader's inputs: the special files, the bombs, then endless mutations. Equal seeds give equal inputs."""

    def __init__(self, reader: Reader, corpus: Path, seed: int) -> None:
        self._reader = reader
        self._seed = seed
        self._fixed = [Input(special=name) for name in SPECIALS] if reader.special else []
        self._fixed += [Input(content=(corpus / "bombs" / name).read_bytes()) for name in reader.bombs]
        self.seeds = reader.seeds(corpus) if reader.seeds else [(corpus / reader.path).read_bytes()]
        self._fixed += [Input(content=content) for content in self.seeds]

    def __getitem__(self, index: int) -> Input:
        if index < len(self._fixed):
            return self._fixed[index]
        rng = random.Random(f"{self._seed}/{self._reader.name}/{index}")
        return Input(content=self._reader.mutate(rng, rng.choice(self.seeds)))
