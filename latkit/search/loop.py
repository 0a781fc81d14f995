"""The loop of a search: a strategy asks, an evaluator judges, and every verdict is saved before anyone learns it."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from latkit.errors import BadFile, DeviceError, UsageError
from latkit.search.evaluators.base import Evaluator
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import Goals
from latkit.search.history import EXPECTED, Entry, History, header
from latkit.search.strategies.base import Strategy
from latkit.search.workers import InProcess, Processes, Task, Workers
from latkit.spaces.base import Architecture

MAX_FREE = 5000
"""Verdicts in a row that cost nothing, known or refused by a bound, before a search ends as stalled."""

Key = tuple[Architecture, float | None]


@dataclass(frozen=True, slots=True)
class Budget:
    """When a search ends: whichever comes first. Costs are those that the verdicts name."""

    evaluations: float = math.inf
    seconds: float = math.inf
    epochs: float = math.inf

    def __post_init__(self) -> None:
        if min(self.evaluations, self.seconds, self.epochs) <= 0:
            raise UsageError("expected a budget above 0")

    def allows(self, spent: dict[str, float], pending: int) -> bool:
        """Whether one more evaluation may begin."""
        return (
            spent.get("evaluations", 0) + pending < self.evaluations
            and spent.get("seconds", 0) < self.seconds
            and spent.get("epochs", 0) < self.epochs
        )


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How a search runs; of these the batch alone changes the history."""

    history: str | os.PathLike[str] | None = None
    """File of the history, continued where it exists; None keeps it in memory."""
    batch: int = 1
    """Architectures pending at once."""
    workers: int = 1
    """Processes of this machine or of the cluster; 1 without a cluster evaluates in this process."""
    cluster: str | None = None
    """Address of a Ray cluster that evaluates; `auto` is the one that runs on this machine."""
    on_entry: Callable[[Entry], None] = field(default=lambda _: None)
    """Called with every verdict, also of earlier runs, in the order of asking."""

    def __post_init__(self) -> None:
        if self.batch < 1 or self.workers < 1:
            raise UsageError(f"expected a batch and workers of at least 1, but found {self.batch} and {self.workers}")


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """What a search found."""

    goals: Goals
    entries: tuple[Entry, ...]
    """Every verdict, in the order of asking."""
    reason: str
    """Why it ended: `budget`, `exhausted` (the strategy has no more to ask) or `stalled`."""
    resumed: int
    """How many verdicts an earlier run saved."""
    last_effort: float | None = None
    """The evaluator's greatest effort, which alone counts for the best."""

    @property
    def final(self) -> list[Entry]:
        """The verdicts at the last effort."""
        return [entry for entry in self.entries if entry.effort in (None, self.last_effort)]

    @property
    def best(self) -> Entry | None:
        """The best entry within the bounds; None where there is none."""
        final = self.final
        at = self.goals.best([entry.verdict for entry in final])
        return None if at is None else final[at]

    @property
    def nearest(self) -> Entry | None:
        """The entry of the greatest rank, within the bounds or not; None where all failed."""
        ranked = [entry for entry in self.entries if not entry.verdict.failure]
        return max(ranked, key=lambda entry: self.goals.rank(entry.verdict), default=None)

    @property
    def front(self) -> list[Entry]:
        """The Pareto front of the goals within the bounds."""
        final = self.final
        return [final[at] for at in self.goals.front([entry.verdict for entry in final])]

    @property
    def failures(self) -> int:
        """How many evaluations failed."""
        return sum(bool(entry.verdict.failure) for entry in self.entries)


def search(
    strategy: Strategy, evaluator: Evaluator, budget: Budget, options: LoopOptions | None = None
) -> SearchOutcome:
    """Search the strategy's space for its goals until the budget is spent.

    The history depends on strategy, settings, seed and batch, and not on the number of workers. A search that was
    killed is resumed by replay: the strategy is asked again and told what was saved. `strategy` is a new one. Raises
    UsageError for unknown quantities, BadFile for another search's history, DeviceError where a device is unavailable.
    """
    options = options or LoopOptions()
    strategy.goals.check(evaluator.quantities)
    expected = header(strategy, evaluator, options.batch)
    history = options.history and History(options.history, expected, evaluator.ranges)
    loop = _Loop(strategy, evaluator, budget, options, history or None)
    try:
        reason = loop.run()
    finally:
        loop.workers.close()
    if history:
        history.close()
    last = evaluator.efforts[-1] if evaluator.efforts else None
    return SearchOutcome(strategy.goals, tuple(loop.entries), reason, loop.resumed, last)


def workers_of(evaluator: Evaluator, options: LoopOptions) -> Workers:
    """Where evaluations run. Raises UsageError for a cluster that cannot be reached."""
    if options.cluster is not None:
        from latkit.search.cluster import RayWorkers

        return RayWorkers(evaluator, options.cluster, options.workers)
    return Processes(evaluator, options.workers) if options.workers > 1 else InProcess(evaluator)


def entry_of(task: Task, verdict: Verdict) -> Entry:
    """The entry of a task that was evaluated."""
    return Entry(task.number, task.architecture, verdict, task.effort, task.parent)


class _Loop:
    """The state of a running search."""

    def __init__(
        self,
        strategy: Strategy,
        evaluator: Evaluator,
        budget: Budget,
        options: LoopOptions,
        history: History | None,
    ) -> None:
        self.strategy, self.budget, self.options, self.history = strategy, budget, options, history
        self.saved = dict(history.entries) if history else {}
        self.resumed = len(self.saved)
        self.workers = workers_of(evaluator, options)
        self.entries: list[Entry] = []
        self.pending: deque[Task] = deque()
        self.spent: dict[str, float] = {}
        self.arrived: dict[int, Verdict] = {}
        self.known: dict[Key, Verdict | None] = {}
        """By canonical form and effort, the verdict; None while it is pending."""
        self.requested = 0

    def run(self) -> str:
        """Ask, judge and tell; the reason why it ended."""
        free, reason = 0, "budget"
        while free < MAX_FREE:
            reason = self._fill()
            if not self.pending:
                return reason
            entry = self._next_entry()
            self._finish(entry)
            free = free + 1 if entry.verdict.is_free else 0
        return "stalled"

    def _fill(self) -> str:
        """Ask until the batch is pending. Returns what keeps it from being full."""
        while len(self.pending) < self.options.batch:
            if not self.budget.allows(self.spent, len(self.pending)):
                return "budget"
            requested = self.strategy.ask(1)
            if not requested:
                return "exhausted"
            (one,) = requested
            task = Task(self.requested, one, self.strategy.effort(one), self.strategy.parents.get(one))
            self.requested += 1
            self.pending.append(task)
            self._check_saved(task)
            key = self._key(task)
            if key not in self.known:
                self.known[key] = None
                if task.number not in self.saved:
                    self.workers.submit(task)
        return "budget"

    def _next_entry(self) -> Entry:
        """The verdict of the oldest pending architecture."""
        task = self.pending.popleft()
        known = self.known[self._key(task)]
        if known is not None:  # asked before: no cost
            return entry_of(task, Verdict(known.quantities, {}, known.failure))
        if task.number in self.saved:
            return self.saved[task.number]
        while task.number not in self.arrived:
            self._receive(task.number)
        return entry_of(task, self.arrived.pop(task.number))

    def _receive(self, due: int) -> None:
        """Wait for verdicts, and save those that are not due yet. Raises DeviceError where a device cannot measure."""
        unavailable: DeviceError | None = None
        for number, found in self.workers.wait_any(due).items():
            if isinstance(found, DeviceError):
                unavailable = found
                continue
            self.arrived[number] = found
            if number != due and self.history:
                early = next(one for one in self.pending if one.number == number)
                self.history.append_early(entry_of(early, found))
        if unavailable is not None:
            raise unavailable

    def _finish(self, entry: Entry) -> None:
        """Save, count and tell a verdict."""
        if self.history:
            self.history.append(entry)
        self.known[self.strategy.canonical(entry.architecture), entry.effort] = entry.verdict
        self.entries.append(entry)
        for name, value in entry.verdict.cost.items():
            self.spent[name] = self.spent.get(name, 0) + value
        self.strategy.tell(entry.architecture, entry.verdict)
        self.options.on_entry(entry)

    def _key(self, task: Task) -> Key:
        return self.strategy.canonical(task.architecture), task.effort

    def _check_saved(self, task: Task) -> None:
        saved = self.saved.get(task.number)
        if saved is not None and (saved.architecture, saved.effort) != (task.architecture, task.effort):
            assert self.history is not None
            raise BadFile(
                self.history.path,
                f"{EXPECTED} that a replay repeats",
                f"architecture {list(saved.architecture)} as number {task.number}, where the strategy asks for "
                f"{list(task.architecture)}: it was written by another version",
            )
