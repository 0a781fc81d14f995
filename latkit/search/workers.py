"""Where evaluations run: in this process, or in processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol

from latkit._io import one_line
from latkit.errors import DeviceError, UsageError
from latkit.search.evaluators.base import Evaluator
from latkit.search.evaluators.verdict import Verdict
from latkit.spaces.base import Architecture

MAX_ATTEMPTS = 2
"""Worker processes that may die during one evaluation before it counts as failed."""


@dataclass(frozen=True, slots=True)
class Task:
    """One evaluation."""

    number: int
    architecture: Architecture
    effort: float | None
    parent: Architecture | None = None
    """See `Entry`."""


Judged = Verdict | DeviceError
"""A verdict; or the error of a device that cannot measure now, which ends the search: no architecture is to blame."""


def judge_one(evaluator: Evaluator, task: Task) -> Judged:
    """The verdict of one architecture; whatever the evaluator raises but DeviceError is a failed verdict."""
    try:
        (verdict,) = evaluator.judge([task.architecture], task.effort)
        if not isinstance(verdict, Verdict):  # of a plug-in
            raise TypeError(f"expected a Verdict of {evaluator.name}, but found {type(verdict).__name__}")
    except DeviceError as error:
        return DeviceError(str(error))  # without what other processes may not know
    except Exception as error:  # noqa: BLE001 - an evaluator may raise anything, and the search goes on
        return Verdict.failed(f"{type(error).__name__}: {error}")
    return verdict


class Workers(Protocol):
    """Evaluates tasks, several at once."""

    def submit(self, task: Task) -> None:
        """Take a task."""

    def wait_any(self, due: int) -> dict[int, Judged]:
        """New verdicts by number, at least one; `due` is the number that is needed first."""

    def close(self) -> None:
        """Release what was taken."""


class InProcess:
    """Evaluates here, when a verdict is due."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._tasks: dict[int, Task] = {}

    def submit(self, task: Task) -> None:
        """Take a task."""
        self._tasks[task.number] = task

    def wait_any(self, due: int) -> dict[int, Judged]:
        """New verdicts by number: at least one, here the one that is due."""
        return {due: judge_one(self._evaluator, self._tasks.pop(due))}

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True, slots=True)
class _Worker:
    """A process that evaluates, and this end of its pipe."""

    process: BaseProcess
    pipe: Connection


class Processes:
    """Evaluates in processes, each with one task at a time. One that dies loses its evaluation and nothing else.

    Every process has a pipe of its own, which ends when the process does. So a death is noticed at once, in the same
    wait as the verdicts, and a task cannot be lost on the way.
    """

    def __init__(self, evaluator: Evaluator, workers: int) -> None:
        self._evaluator = evaluator
        self._context = multiprocessing.get_context("spawn")
        self._closed, self._open = self._context.Pipe(duplex=False)
        self._waiting: deque[Task] = deque()
        self._running: dict[Connection, tuple[_Worker, Task]] = {}
        self._attempts: dict[int, int] = {}
        self._idle: list[_Worker] = []
        self._max_workers = workers

    def submit(self, task: Task) -> None:
        """Start a task, or queue it."""
        self._waiting.append(task)
        self._hand_out()

    def wait_any(self, due: int) -> dict[int, Judged]:  # noqa: ARG002 - whatever comes first
        """New verdicts by number, at least one."""
        found: dict[int, Judged] = {}
        while not found:
            for pipe in wait(list(self._running)):
                assert isinstance(pipe, Connection)
                worker, task = self._running.pop(pipe)
                try:
                    found[task.number] = pipe.recv()
                    self._idle.append(worker)
                except (EOFError, OSError):
                    self._replace(worker)
                    self._lose(task, found)
            self._hand_out()
        return found

    def close(self) -> None:
        """End the processes; what still runs is not waited for."""
        self._open.close()
        for worker in (*self._idle, *(worker for worker, _ in self._running.values())):
            worker.process.join()
            worker.pipe.close()
        self._closed.close()

    def _hand_out(self) -> None:
        """Give the tasks that wait to the idle processes; one that ended meanwhile is noticed when its pipe is read."""
        while self._waiting and (self._idle or len(self._running) < self._max_workers):
            if not self._idle:  # no more processes are started than there are evaluations at once
                self._idle.append(self._start_worker())
            worker, task = self._idle.pop(0), self._waiting.popleft()
            self._running[worker.pipe] = worker, task
            with suppress(OSError):
                worker.pipe.send(task)

    def _lose(self, task: Task, found: dict[int, Judged]) -> None:
        """Repeat a task whose process died, or give it up."""
        attempt = self._attempts[task.number] = self._attempts.get(task.number, 0) + 1
        if attempt < MAX_ATTEMPTS:
            self._waiting.appendleft(task)
        else:
            found[task.number] = Verdict.failed("the worker process died")

    def _replace(self, worker: _Worker) -> None:
        worker.process.join()
        worker.pipe.close()
        self._idle.append(self._start_worker())

    def _start_worker(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._evaluator, theirs, self._closed))
        try:
            process.start()
        except (AttributeError, TypeError, pickle.PicklingError) as error:
            raise UsageError(
                f"expected an evaluator that can be pickled for more than one worker, but found "
                f"{self._evaluator.name}: {one_line(str(error), 160)}"
            ) from error
        theirs.close()  # so that the pipe ends with the process
        return _Worker(process, ours)


def _serve(evaluator: Evaluator, pipe: Connection, closed: Connection) -> None:
    """Evaluate tasks until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the search's: it ends this process
    threading.Thread(target=_end_when, args=(closed,), daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            pipe.send(judge_one(evaluator, pipe.recv()))


def _end_when(closed: Connection) -> None:
    """End this process when the search closes its end of a pipe, or was killed: an evaluation may take long."""
    with suppress(OSError):
        closed.poll(None)
    os._exit(1)
