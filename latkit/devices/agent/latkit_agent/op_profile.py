"""Runs with a profiler, and the times of their ops."""

from __future__ import annotations

import resource
import time
from typing import Any, Callable  # noqa: UP035 - Python 3.8 runs this

from .requests import Fields

MAX_PROFILED_OPS = 50_000
"""Further ops of a run are counted into the last."""
MAX_OP_NAME_CHARS = 200


class OpTable:
    """Times of ops, summed over runs. An op is known by its place and name."""

    def __init__(self) -> None:
        self.ops: dict[Any, Fields] = {}

    def add(self, key: Any, fields: Fields, nanoseconds: int) -> None:
        """Count a call of an op. `fields` describe it at its first call."""
        if key not in self.ops:
            if len(self.ops) >= MAX_PROFILED_OPS:
                key = next(reversed(self.ops))
            else:
                self.ops[key] = {**fields, "calls": 0, "total_ns": 0}
        self.ops[key]["calls"] += 1
        self.ops[key]["total_ns"] += nanoseconds


def profiled_runs(
    run: Callable[[], object], runs: int, seconds: float, before: Callable[[], object], after: Callable[[], object]
) -> list[tuple[int, bool]]:
    """Runs with a profiler: wall time in ns, and whether nothing preempted it. `before` and `after` are not timed.

    They end after that many undisturbed ones, twice as many altogether, or that many seconds, but not before the first.
    """
    made: list[tuple[int, bool]] = []
    begin, undisturbed = time.perf_counter(), 0
    while undisturbed < runs and len(made) < 2 * runs and (not made or time.perf_counter() - begin < seconds):
        before()
        switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        start = time.perf_counter_ns()
        run()
        wall_ns = max(time.perf_counter_ns() - start, 1)
        made.append((wall_ns, resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw == switches))
        undisturbed += made[-1][1]
        after()
    return made


def used_runs(made: list[tuple[int, bool]]) -> list[int]:
    """The places of the undisturbed runs; of all runs where every one was disturbed."""
    return [place for place, (_, idle) in enumerate(made) if idle] or list(range(len(made)))
