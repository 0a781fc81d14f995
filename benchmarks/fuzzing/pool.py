"""The pool: workers kept busy, watched, and started again when an input ends them."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from benchmarks.fuzzing.outcomes import HANG, MAX_SECONDS, MEMORY, PACKAGE, TRACEBACK, Outcome
from benchmarks.fuzzing.worker import Judged, Order, ended, memory_of, stack_file, work

POLL_S = 0.2
STACK_S = 5.0
MAX_WORKER_BYTES = 3 * 2**30
"""A worker that takes more is ended at once."""
PRELOADED = ["benchmarks.fuzzing.worker", "benchmarks.fuzzing.hostile.theater"]


def context() -> multiprocessing.context.ForkServerContext:
    """Processes that begin with everything imported."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(PRELOADED)
    return found


class _Worker:
    """A process, its order, and the part of it that is not yet reported."""

    def __init__(self, corpus: Path, scratch: Path, seed: int) -> None:
        mine, theirs = context().Pipe()
        self.connection: Connection = mine
        self.begun = context().Array("d", [0.0, 0.0], lock=False)
        arguments = (theirs, self.begun, corpus, scratch, seed)
        self.process = context().Process(target=work, args=arguments, daemon=True)
        self._stack = stack_file(scratch)
        self.process.start()
        theirs.close()
        self.order: Order | None = None
        self.left: deque[int] = deque()

    def begin(self, order: Order) -> None:
        self.order, self.left = order, deque(order[1])
        self.connection.send(order)

    @property
    def seconds(self) -> float:
        """How long the present input has taken."""
        return time.monotonic() - self.begun[1] if self.begun[1] else 0.0

    def place(self) -> str:
        """The line of latkit that it executes."""
        if self.process.pid is None:
            return ""
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGUSR1)
            deadline = time.monotonic() + STACK_S
            while not self._stack.stat().st_size and time.monotonic() < deadline:
                time.sleep(POLL_S)  # a signal waits for the end of a system call, which may read gigabytes
        frames = re.findall(r'File "(.*?)", line (\d+)', self._stack.read_text(errors="replace"))
        inside = (f"{Path(name).relative_to(PACKAGE)}:{line}" for name, line in frames if name.startswith(str(PACKAGE)))
        return next(inside, "outside latkit")

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class Pool:
    """`jobs` workers in folders of their own under `folder`, for inputs drawn by `seed` from the corpus."""

    def __init__(self, corpus: Path, folder: Path, seed: int, jobs: int) -> None:
        self._corpus, self._folder, self._seed, self._jobs = corpus, folder, seed, jobs
        self._suspects: set[tuple[str, int]] = set()
        """What was slow once: it is tried again, because the machine may have been busy."""

    def run(self, orders: Iterable[Order]) -> Iterator[Judged | Order]:
        """The outcome of every input, and every order once it is done."""
        waiting = deque(orders)
        workers = [self._start(number) for number in range(min(self._jobs, len(waiting)))]
        try:
            for worker in workers:
                worker.begin(waiting.popleft())
            while any(worker.order for worker in workers):
                ready = wait([worker.connection for worker in workers if worker.order], POLL_S)
                for number, worker in enumerate(workers):
                    if worker.order is None:
                        continue
                    if worker.connection in ready:
                        yield from self._heard(workers, number, waiting)
                    else:
                        yield from self._watched(workers, number)
        finally:
            for worker in workers:
                worker.end()

    def _start(self, number: int) -> _Worker:
        return _Worker(self._corpus, self._folder / f"worker-{number}", self._seed)

    def _heard(self, workers: list[_Worker], number: int, waiting: deque[Order]) -> Iterator[Judged | Order]:
        worker = workers[number]
        try:
            received = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            yield from self._lost(workers, number, TRACEBACK, f"the process ended: {ended(worker.process.exitcode)}")
            return
        if isinstance(received, Judged):
            worker.left.popleft()
            yield received
            return
        assert worker.order
        yield worker.order
        if not received:  # it has grown too large, and ends
            worker.end()
            workers[number] = worker = self._start(number)
        self._next(worker, waiting)

    def _next(self, worker: _Worker, waiting: deque[Order]) -> None:
        worker.order = None
        if waiting:
            worker.begin(waiting.popleft())

    def _watched(self, workers: list[_Worker], number: int) -> Iterator[Judged | Order]:
        worker = workers[number]
        if memory_of(worker.process.pid or 0, "VmRSS") > MAX_WORKER_BYTES:
            yield from self._lost(workers, number, MEMORY, f"more than {MAX_WORKER_BYTES / 2**30:.0f} GiB")
        elif worker.seconds > MAX_SECONDS:
            yield from self._lost(workers, number, HANG, f"more than {MAX_SECONDS:.0f} s")

    def _lost(self, workers: list[_Worker], number: int, kind: str, message: str) -> Iterator[Judged | Order]:
        """The input has ended its worker, or must: another takes the rest of the order."""
        worker = workers[number]
        assert worker.order
        if not worker.begun[1]:
            raise RuntimeError(f"a worker ended between two inputs: {message}")
        name, left = worker.order[0], worker.left
        place = worker.place() if kind in (HANG, MEMORY) else message
        worker.end()
        workers[number] = self._start(number)
        if kind == HANG and (name, left[0]) not in self._suspects:
            self._suspects.add((name, left[0]))
        else:
            yield Judged(name, left.popleft(), Outcome(kind, place, message), MAX_SECONDS)
        order = worker.order
        workers[number].begin((name, list(left)))
        workers[number].order = order
        workers[number].left = deque(left)
