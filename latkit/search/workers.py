"""Where evaluations run: in this process, or in processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Protocol

from latkit.search.evaluators.base import Evaluator
from latkit.search.evaluators.verdict import Verdict
from latkit.spaces.base import Architecture

MAX_ATTEMPTS = 2
"""Worker processes that may die during one evaluation before it counts as failed."""
STALLED_S = 5.0
"""Time without a verdict after which the pool is asked whether it still works."""

_EVALUATOR: list[Evaluator] = []
"""The evaluator of a worker process."""


@dataclass(frozen=True, slots=True)
class Task:
    """One evaluation."""

    number: int
    architecture: Architecture
    effort: float | None
    parent: Architecture | None = None
    """See `Entry`."""


def judge_one(evaluator: Evaluator, task: Task) -> Verdict:
    """The verdict of one architecture; whatever the evaluator raises is a failed verdict."""
    try:
        (verdict,) = evaluator.judge([task.architecture], task.effort)
    except Exception as error:  # noqa: BLE001 - an evaluator may raise anything, and the search goes on
        return Verdict.failed(f"{type(error).__name__}: {error}")
    return verdict


class Workers(Protocol):
    """Evaluates tasks, several at once."""

    def submit(self, task: Task) -> None:
        """Take a task."""

    def wait_any(self, due: int) -> dict[int, Verdict]:
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

    def wait_any(self, due: int) -> dict[int, Verdict]:
        """New verdicts by number: at least one, here the one that is due."""
        return {due: judge_one(self._evaluator, self._tasks.pop(due))}

    def close(self) -> None:
        """Nothing to close."""


class Processes:
    """Evaluates in processes, several tasks at once. A process that dies loses its evaluation and nothing else."""

    def __init__(self, evaluator: Evaluator, workers: int) -> None:
        self._evaluator, self._workers = evaluator, workers
        self._futures: dict[Future[Verdict], Task] = {}
        self._attempts: dict[int, int] = {}
        self._pool = self._start()

    def submit(self, task: Task) -> None:
        """Start a task, or queue it."""
        try:
            self._futures[self._pool.submit(_judge, task)] = task
        except BrokenProcessPool:  # found out before the loop waited for a verdict
            self._restart()
            self._futures[self._pool.submit(_judge, task)] = task

    def wait_any(self, due: int) -> dict[int, Verdict]:  # noqa: ARG002 - whatever comes first
        """New verdicts by number, at least one."""
        found: dict[int, Verdict] = {}
        while not found:
            done, _ = wait(self._futures, STALLED_S, FIRST_COMPLETED)
            # a task that is submitted at the moment when a process dies gets no result, and no error either
            is_broken = not done and self._is_broken()
            broken: list[Task] = []
            for future in done:
                task = self._futures.pop(future)
                try:
                    found[task.number] = future.result()
                except BrokenProcessPool:
                    broken.append(task)
            if broken or is_broken:
                broken += self._futures.values()
                self._futures.clear()
                found |= self._again(broken)
        return found

    def close(self) -> None:
        """End the processes; what still runs is not waited for."""
        self._open.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _is_broken(self) -> bool:
        """Whether the pool no longer works: it says so when it gets a task, here one that does nothing."""
        try:
            self._pool.submit(int)
        except BrokenProcessPool:
            return True
        return False

    def _again(self, tasks: list[Task]) -> dict[int, Verdict]:
        """Evaluate what was lost with a dead process once more, then give it up."""
        self._restart()
        found: dict[int, Verdict] = {}
        for task in sorted(tasks, key=lambda one: one.number):
            self._attempts[task.number] = self._attempts.get(task.number, 1) + 1
            if self._attempts[task.number] > MAX_ATTEMPTS:
                found[task.number] = Verdict.failed("the worker process died")
            else:
                self.submit(task)
        return found

    def _restart(self) -> None:
        self._open.close()
        with suppress(BrokenProcessPool):
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        closed, self._open = context.Pipe(duplex=False)
        return ProcessPoolExecutor(self._workers, context, _initialize, (self._evaluator, closed))


def _initialize(evaluator: Evaluator, closed: Connection) -> None:
    _EVALUATOR[:] = [evaluator]
    threading.Thread(target=_end_when, args=(closed,), daemon=True).start()


def _end_when(closed: Connection) -> None:
    """End this process when the search closes its end of a pipe, or was killed: it would wait for tasks forever."""
    with suppress(OSError):
        closed.poll(None)
    os._exit(1)


def _judge(task: Task) -> Verdict:
    return judge_one(_EVALUATOR[0], task)
