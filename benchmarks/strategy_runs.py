"""The runs of `benchmarks/strategies.py`: one strategy with one seed on one table of real results."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from latkit.errors import UsageError
from latkit.search.evaluators import EVALUATORS
from latkit.search.evaluators.cheap_first import CheapFirst
from latkit.search.evaluators.tabular import TabularEvaluator
from latkit.search.goals import Goals
from latkit.search.history import Entry
from latkit.search.loop import Budget, LoopOptions, search
from latkit.search.strategies import make_strategy
from latkit.spaces.base import Architecture, Space

QUERIES = (50, 100, 150, 200, 400)
LIMITS = (0.3, 0.6, 0.9)
"""Quantiles of a device's latencies."""
LIMITED_QUERIES, FRONT_QUERIES = (50, 100, 150), (50, 100, 150, 300)
ACCURACY = {
    "nasbench201": "nasbench201",
    "nasbench101_pool": "nasbench101",
    "nasbench101_5v": "nasbench101-5v",
    "nasbench_macro": "nasbench-macro",
    "accel_nasbench": "accel-nasbench",
    "darts_sample": "darts-sample",
}
"""Sections with an accuracy by the number of queries, and their tables."""
SLOW = frozenset(("bananas", "model-based", "model-based-light", "neural-architect"))
"""Strategies that fit a predictor: their asks are timed where they have 380 to 400 values."""
MAX_QUERIES = {(section, "optuna-gp"): 100 for section in (*ACCURACY, "front_5v_hypervolume_share")}
"""Runs that would take hours end after fewer queries: on each of its asks a Gaussian process is fitted to all values,
those of other encodings of known networks included."""
POOL_SETTINGS = {name: {"draws": 1000} for name in SLOW - {"neural-architect"}}


Run = Callable[["Job"], dict[str, float]]


@dataclass(frozen=True)
class Job:
    """One run of a strategy."""

    section: str
    strategy: str
    seed: int
    data: str
    case: str = ""
    """Of a limited search: the device and the quantile of the limit."""


@dataclass(frozen=True)
class Outcome:
    """What a run found."""

    figures: dict[str, float]
    seconds: float | None = None
    """Of one core; None of runs from before they were recorded."""


@dataclass(frozen=True)
class Optimum:
    """What there is to find among some networks, in judged accuracy."""

    best: float
    chosen: float
    """Of the network that is best by validation: a search that sees every validation accuracy returns it."""


@lru_cache(maxsize=2)
def table_of(evaluator: str, data: str) -> tuple[Space, TabularEvaluator]:
    """The space and the table of a benchmark."""
    space, table = EVALUATORS.get(evaluator).build(data)
    if not isinstance(table, TabularEvaluator):
        raise UsageError(f"expected a table as evaluator, but found {evaluator}")
    return space, table


@lru_cache(maxsize=64)
def distinct(evaluator: str, data: str) -> tuple[Architecture, ...]:
    """What a search can find: the architectures of a table in canonical form."""
    space, table = table_of(evaluator, data)
    return tuple(one for one in table.table.rows if space.canonical(one) == one)


@lru_cache(maxsize=8)
def optimum_of(evaluator: str, data: str) -> Optimum:
    """Of a whole table."""
    return _optimum(table_of(evaluator, data)[1], distinct(evaluator, data))


@lru_cache(maxsize=256)
def limit_of(data: str, case: str) -> tuple[float, Optimum]:
    """Of a limited search: the limit in seconds, and the optimum within it."""
    device, quantile = case.split("@")
    _, table = table_of("nasbench201", data)
    rows, latency = table.table.rows, table.table.columns[f"seconds.{device}"]
    architectures = distinct("nasbench201", data)
    limit = float(np.quantile([latency[rows[one]] for one in architectures], float(quantile)))
    return limit, _optimum(table, [one for one in architectures if latency[rows[one]] <= limit])


def limited_cases(data: str) -> list[str]:
    """Every device of the table with every limit."""
    columns = table_of("nasbench201", data)[1].table.columns
    devices = [name.removeprefix("seconds.") for name in columns if name.startswith("seconds.")]
    return [f"{name}@{quantile}" for name in devices for quantile in LIMITS]


def _optimum(table: TabularEvaluator, architectures: Sequence[Architecture]) -> Optimum:
    verdicts = zip(architectures, table.judge(architectures), strict=True)
    first, _ = max(verdicts, key=lambda pair: pair[1].quantities["accuracy"])
    return Optimum(max(judged(table, one) for one in architectures), judged(table, first))


def replay(evaluator: str, job: Job, goals: Goals, queries: int, **settings: Any) -> list[Entry]:
    """The verdicts of a search, without those that a bound refused: bounded quantities are known, and free."""
    space, table = table_of(evaluator, job.data)
    judge: Any = TabularEvaluator(table.table, goals.quantities)
    if goals.bounds:
        bounded = [bound.quantity for bound in goals.bounds]
        judge = CheapFirst(TabularEvaluator(table.table, bounded), judge, goals)
    found: list[Entry] = []
    options = LoopOptions(on_entry=lambda entry: None if entry.verdict.is_free else found.append(entry))
    strategy = make_strategy(job.strategy, space, goals, job.seed, **settings)
    search(strategy, judge, Budget(evaluations=queries), options)
    return found


def judged(table: TabularEvaluator, architecture: Architecture) -> float:
    """The accuracy that judges: on the test images, where the table has one."""
    test = table.test_quantities(architecture)
    if "test_accuracy" in test:
        return test["test_accuracy"]
    return table.judge([architecture])[0].quantities["accuracy"]


def judged_best(table: TabularEvaluator, entries: Sequence[Entry], counts: Iterable[int]) -> dict[str, float]:
    """After each number of queries, the judged accuracy of what is best by validation.

    A search that ended earlier, because the space is used up, keeps what it found.
    """
    found: dict[str, float] = {}
    for count in counts:
        best = max(entries[:count], key=lambda entry: entry.verdict.quantities["accuracy"])
        found[str(count)] = judged(table, best.architecture)
    return found


def counts_of(job: Job, counts: Sequence[int]) -> list[int]:
    """The numbers of queries after which a run is judged."""
    return [count for count in counts if count <= MAX_QUERIES.get((job.section, job.strategy), counts[-1])]


def accuracies(job: Job, evaluator: str, counts: Sequence[int] = QUERIES, **settings: Any) -> dict[str, float]:
    """See `judged_best`."""
    _, table = table_of(evaluator, job.data)
    counts = counts_of(job, counts)
    return judged_best(table, replay(evaluator, job, Goals.parse("accuracy:max"), counts[-1], **settings), counts)


def limited_regret(job: Job) -> dict[str, float]:
    """Points of test accuracy below the best within the limit, by the number of queries."""
    quantity = f"seconds.{job.case.split('@')[0]}"
    limit, optimum = limit_of(job.data, job.case)
    _, table = table_of("nasbench201", job.data)
    goals = Goals.parse("accuracy:max", f"{quantity}<={limit!r}")
    entries = replay("nasbench201", job, goals, LIMITED_QUERIES[-1])
    latency = table.table.columns[quantity]
    over = [entry for entry in entries if latency[table.table.rows[entry.architecture]] > limit]
    if over:
        raise UsageError(f"{job}: expected no architecture over the limit, but found {over[0].architecture}")
    return {count: optimum.best - found for count, found in judged_best(table, entries, LIMITED_QUERIES).items()}


def hypervolume(points: Iterable[tuple[float, float]], corner: tuple[float, float]) -> float:
    """The area that points dominate above a corner; both axes are maximized."""
    area, height = 0.0, corner[1]
    for x, y in sorted(points, reverse=True):
        if y > height:
            area += (x - corner[0]) * (y - height)
            height = y
    return area


def front_share(job: Job) -> dict[str, float]:
    """Share of the true front's hypervolume, from the worst accuracy and energy of the table, by number of queries."""
    name, goals = "nasbench101-5v", Goals.parse("accuracy:max", "joules:min")
    _, table = table_of(name, job.data)
    accuracy, joules = (table.table.columns[quantity] for quantity in goals.quantities)
    corner = float(accuracy.min()), -float(joules.max())

    def volume(rows: Iterable[int]) -> float:
        return hypervolume(((float(accuracy[row]), -float(joules[row])) for row in rows), corner)

    counts = counts_of(job, FRONT_QUERIES)
    found = [table.table.rows[entry.architecture] for entry in replay(name, job, goals, counts[-1])]
    full = volume(range(len(accuracy)))
    return {str(count): volume(found[:count]) / full for count in counts}


def ask_tell_ms(job: Job) -> dict[str, float]:
    """Milliseconds of processor time of one ask and tell: mean of 150 queries; with a predictor, from 380 to 400."""
    first, last = (380, 400) if job.strategy in SLOW else (0, 150)
    space, table = table_of("nasbench201", job.data)
    strategy = make_strategy(job.strategy, space, Goals.parse("accuracy:max"), job.seed)
    spent = 0.0
    for number in range(last):
        start = time.process_time()
        (architecture,) = strategy.ask(1)
        began = time.process_time()
        (verdict,) = table.judge([architecture])
        judged_at = time.process_time()
        strategy.tell(architecture, verdict)
        spent += (began - start + time.process_time() - judged_at) * (number >= first)
    return {"ms": 1000 * spent / (last - first)}


def accuracy_run(section: str) -> Run:
    """The runs of a section with an accuracy by the number of queries."""

    def run(job: Job) -> dict[str, float]:
        settings = POOL_SETTINGS.get(job.strategy, {}) if section == "nasbench101_pool" else {}
        return accuracies(job, ACCURACY[section], **settings)

    return run


TABLES = defaultdict(lambda: "nasbench201", ACCURACY, front_5v_hypervolume_share="nasbench101-5v")
"""The table of every section."""
RUNS: dict[str, Run] = {
    **{section: accuracy_run(section) for section in ACCURACY},
    "front_5v_hypervolume_share": front_share,
    "limited_regret": limited_regret,
    "ask_tell_ms": ask_tell_ms,
}


def run_job(job: Job) -> tuple[Job, Outcome]:
    """One run, and what it took; reading the table is not counted."""
    table_of(TABLES[job.section], job.data)
    began = time.process_time()
    figures = RUNS[job.section](job)
    return job, Outcome(figures, round(time.process_time() - began, 3))
