"""Several writers of one file, and concurrent readers that count incomplete content."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.fuzzing.pool import context
from latkit._io import write_text

WRITERS = (2, 4)
"""Number of parallel cases, each for a share of the time."""
READERS = 2
LINES = 20_000


def incomplete_reads(folder: Path, seconds: float) -> tuple[int, int]:
    """How many reads found no complete file, and of how many; a leftover file counts as one more. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    incomplete = reads = 0
    for writers in WRITERS:
        path = folder / f"written-by-{writers}.txt"
        write_text(path, text("first"))
        ended = time.monotonic() + seconds / len(WRITERS)
        found = _at_once([(write, (path, ended))] * writers + [(read, (path, ended))] * READERS)
        for missed, count in found:
            incomplete, reads = incomplete + missed, reads + count
        incomplete += len([other for other in folder.iterdir() if not other.name.startswith("written-by")])
    return incomplete, reads


def _at_once(works: Sequence[tuple[Any, tuple[Any, ...]]]) -> list[tuple[int, int]]:
    """Each reader's counts. Every writer that failed counts as an incomplete read."""
    processes, ends = [], []
    for work, arguments in works:
        mine, theirs = context().Pipe()
        process = context().Process(target=work, args=(*arguments, theirs))
        process.start()
        theirs.close()
        processes.append(process)
        ends.append(mine)
    for process in processes:
        process.join()
    return [end.recv() if end.poll(0) else (1, 0) for end in ends]


def text(name: str) -> str:
    """A content that shows whether it is complete: its first line is the hash of the rest."""
    body = f"{name}\n" * LINES
    return f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}"


def write(path: Path, ended: float, connection: Connection) -> None:
    """Write until that time."""
    failed = number = 0
    while time.monotonic() < ended:
        number += 1
        try:
            write_text(path, text(f"{os.getpid()} {number % 7}" * (1 + number % 3)))
        except OSError:
            failed += 1
    connection.send((failed, 0))


def read(path: Path, ended: float, connection: Connection) -> None:
    """Read until that time, at least once, and count incomplete content."""
    missed = count = 0
    while not count or time.monotonic() < ended:
        count += 1
        try:
            head, _, body = path.read_text(encoding="utf-8").partition("\n")
        except OSError:
            missed += 1
            continue
        missed += head != hashlib.sha256(body.encode()).hexdigest()
    connection.send((missed, count))
