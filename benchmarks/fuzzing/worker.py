"""A worker: a warm process that takes inputs by their numbers and reports each outcome."""

from __future__ import annotations

import faulthandler
import os
import resource
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.fuzzing.inputs import Input, Inputs, remove
from benchmarks.fuzzing.outcomes import MAX_BYTES, MEMORY, UNMADE, Outcome, judged
from benchmarks.fuzzing.readers import Reader, readers
from benchmarks.fuzzing.terminal import silence
from benchmarks.fuzzing.uses import Uses, known_space

MAX_RESIDENT_BYTES = 1200 * 2**20
"""A worker that has grown this large ends: the memory of one input could no longer be determined."""
MAX_ADDRESS_BYTES = 24 * 2**30
"""Above it memory is refused, so that no input takes the machine down."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome of one input of a reader."""

    reader: str
    index: int
    outcome: Outcome
    seconds: float
    content: Input | None = None
    """The input, if it failed."""


def work(orders: Connection, begun: Any, corpus: Path, scratch: Path, seed: int) -> None:
    """Take orders, a reader's name and numbers, until there are none left.

    `begun` tells which number is at work, and since when. Everything happens in a copy of the corpus under `scratch`.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_BYTES, MAX_ADDRESS_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.excepthook = lambda _arguments: None
    scratch.parent.mkdir(parents=True, exist_ok=True)
    faulthandler.register(signal.SIGUSR1, stack_file(scratch).open("w"), all_threads=True)
    bench = Bench(corpus, scratch, seed)
    silence()
    while (order := orders.recv()) is not None:
        name, numbers = order
        for number in numbers:
            begun[:] = number, time.monotonic()
            orders.send(bench.judge(name, number))
            begun[1] = 0.0
        goes_on = _memory("VmRSS") < MAX_RESIDENT_BYTES
        orders.send(goes_on)
        if not goes_on:
            break


def stack_file(scratch: Path) -> Path:
    """The file to which a worker writes its stack, when it gets SIGUSR1."""
    return scratch.with_suffix(".stack")


class Bench:
    """A copy of the corpus in which inputs are tried one after the other."""

    def __init__(self, corpus: Path, scratch: Path, seed: int) -> None:
        import torch

        torch.set_num_threads(1)
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(corpus, scratch, symlinks=True, ignore=shutil.ignore_patterns("bombs"))
        os.chdir(scratch)
        os.environ |= {
            "LATKIT_LEASES": str(scratch / "leases"),
            "LATKIT_CACHE": str(scratch / "cache"),
            "COLUMNS": "200",
        }
        config = scratch / "known_config"
        config.write_text(config.read_text().replace(str(corpus), str(scratch)))
        self.readers = readers(corpus)
        self.corpus, self._root, self._seed = corpus, scratch, seed
        self._inputs: dict[str, Inputs] = {}
        self._uses = Uses(scratch)
        known_space(str(scratch))

    def judge(self, name: str, number: int) -> Judged:
        """The outcome of a reader's input of that number."""
        reader, begin = self.readers[name], time.monotonic()
        try:
            if name not in self._inputs:
                self._inputs[name] = Inputs(reader, self.corpus, self._seed)
            content = self._inputs[name][number]
        except Exception as error:  # noqa: BLE001 - whatever ends a mutation, the next one follows
            trace = "".join(traceback.format_exception(error))
            return Judged(name, number, Outcome(UNMADE, type(error).__name__, str(error)[:200], trace), 0.0)
        outcome = self.outcome(reader, content)
        return Judged(name, number, outcome, time.monotonic() - begin, content if outcome.failed else None)

    def outcome(self, reader: Reader, content: Input) -> Outcome:
        """The outcome of an input."""
        path = self._root / reader.path
        with self._in_place(path, content):
            self._uses.terminal.text = ""
            _forget_peak()
            outcome = judged(lambda: reader.use(self._uses), lambda: self._uses.terminal.text)
            peak_bytes = _memory("VmHWM")
        if peak_bytes > MAX_BYTES and not outcome.failed:
            return Outcome(MEMORY, outcome.where or "accepted", f"{peak_bytes / 2**20:.0f} MiB at most")
        return outcome

    @contextmanager
    def _in_place(self, path: Path, content: Input) -> Iterator[None]:
        """Put the input at that path, and restore the previous file afterwards."""
        source = self.corpus / path.relative_to(self._root)
        try:
            content.put(path)
            yield
        finally:
            remove(path)
            if source.is_file():
                shutil.copyfile(source, path)
            shutil.rmtree(self._root / "out", ignore_errors=True)


def _forget_peak() -> None:
    """Let the kernel record the peak memory from now on."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _memory(field: str) -> int:
    """A size of this process in bytes."""
    return memory_of(os.getpid(), field)


def memory_of(pid: int, field: str) -> int:
    """A size of a process in bytes; 0 if it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return 0


def ended(status: int | None) -> str:
    """How a process ended, as text."""
    return f"signal {-status}" if status is not None and status < 0 else f"status {status}"


Order = tuple[str, Sequence[int]]
