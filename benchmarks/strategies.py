"""Every search strategy on every table of real results: what it has found after a number of queries.

    python benchmarks/strategies.py [--data DIR] [--cache FILE] [--seeds N] [--strategy NAME] [--only SECTION] [--json]

The validation accuracy chooses and the test accuracy judges. Runs that are in the cache are not repeated. Strategies
whose run takes more than a second have fewer seeds; the table says how many.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import numpy as np

from benchmarks.strategy_tables import Table, five_vertices, nasbench101_pool, nasbench201
from latkit.search.evaluators import Verdict
from latkit.search.goals import Goals
from latkit.search.strategies import STRATEGIES, make_strategy
from latkit.spaces.base import Architecture

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
QUERIES = (50, 100, 150, 200, 400)
LIMITS = (0.3, 0.6, 0.9)
"""Quantiles of a device's latencies."""
SLOW = ("bananas", "model-based", "model-based-light")
"""Runs of more than a second."""
SEEDS = {"nasbench201": (200, 40), "pool": (200, 30), "front": (50, 50), "limited": (5, 1), "ask_tell": (3, 1)}
"""Of each section: seeds of the fast strategies, and of the slow ones."""
POOL_DRAWS = {name: {"draws": 1000} for name in SLOW}
FRONT_QUERIES = 300
MAX_REFUSED = 20_000
LOADERS: dict[str, Callable[[Path], Table]] = {
    "nasbench201": nasbench201,
    "limited": nasbench201,
    "ask_tell": nasbench201,
    "pool": nasbench101_pool,
    "front": five_vertices,
}
TITLES = {
    "nasbench201": "nasbench201",
    "pool": "nasbench101_pool",
    "front": "front_5v_hypervolume_share",
    "limited": "limited_regret",
    "ask_tell": "ask_tell_ms",
}


@dataclass(frozen=True)
class Job:
    """One run of a strategy."""

    section: str
    strategy: str
    seed: int
    data: str
    case: str = ""
    """Of a limited search: the device and the quantile of the limit."""


@lru_cache(maxsize=2)
def table_of(load: Callable[[Path], Table], data: str) -> Table:
    return load(Path(data))


def queries(table: Table, job: Job, goals: Goals, count: int, settings: dict[str, Any]) -> Iterator[Architecture]:
    """Ask and tell one at a time; yields what was evaluated. What is over a bound is refused before, and free."""
    strategy = make_strategy(job.strategy, table.space, goals, job.seed, **settings)
    bounded = [bound.quantity for bound in goals.bounds]
    other_goals = [goal.quantity for goal in goals.goals if goal.quantity != "accuracy"]
    done = refused = 0
    while done < count and refused < MAX_REFUSED and (requested := strategy.ask(1)):
        (architecture,) = requested
        cheap = Verdict({name: table.others[name][architecture] for name in bounded})
        if goals.violation(cheap):
            refused += 1
            strategy.tell(architecture, cheap)
            continue
        done += 1
        strategy.tell(architecture, table.verdict(architecture, *bounded, *other_goals))
        yield architecture


def accuracies(job: Job, settings: dict[str, Any], counts: tuple[int, ...]) -> dict[str, float]:
    """After each number of queries, the test accuracy of what is best by validation."""
    table = table_of(LOADERS[job.section], job.data)
    best, found = None, {}
    run = queries(table, job, Goals.parse("accuracy:max"), counts[-1], settings)
    for number, one in enumerate(run, start=1):
        if one in table.validation and (best is None or table.validation[one] > table.validation[best]):
            best = one
        if number in counts and best is not None:
            found[str(number)] = table.test[best]
    return found


def limited_regret(job: Job) -> dict[str, float]:
    """Points of test accuracy below the best within the limit, after 150 queries."""
    table = table_of(nasbench201, job.data)
    device, quantile = job.case.split("@")
    latency = table.others[device]
    limit = float(np.quantile(list(latency.values()), float(quantile)))
    optimum = max(accuracy for one, accuracy in table.test.items() if latency[one] <= limit)
    evaluated = list(queries(table, job, Goals.parse("accuracy:max", f"{device}<={limit!r}"), 150, {}))
    assert all(latency[one] <= limit for one in evaluated), "an architecture over the limit was evaluated"
    best = max(evaluated, key=table.validation.__getitem__)
    return {"regret": optimum - table.test[best]}


def hypervolume(points: list[tuple[float, float]], corner: tuple[float, float]) -> float:
    """The area that points dominate above a corner; both axes are maximized."""
    area, height = 0.0, corner[1]
    for x, y in sorted(points, reverse=True):
        if y > height:
            area += (x - corner[0]) * (y - height)
            height = y
    return area


def front_share(job: Job) -> dict[str, float]:
    """Share of the true front's hypervolume, from the worst accuracy and energy of the table."""
    table = table_of(five_vertices, job.data)
    energy = table.others["energy_kwh"]

    def volume(architectures: Any) -> float:
        points = [(table.validation[one], -energy[one]) for one in architectures]
        return hypervolume(points, (min(table.validation.values()), -max(energy.values())))

    goals = Goals.parse("accuracy:max", "energy_kwh:min")
    return {"share": volume(queries(table, job, goals, FRONT_QUERIES, {})) / volume(table.validation)}


def ask_tell_ms(job: Job) -> dict[str, float]:
    """Milliseconds of one ask and tell: the mean of 150 queries; of model-based search from 380 to 400 values."""
    table = table_of(nasbench201, job.data)
    first, last = (380, 400) if job.strategy in SLOW else (0, 150)
    run = queries(table, job, Goals.parse("accuracy:max"), last, {})
    for _ in range(first):
        next(run)
    start = time.process_time()
    count = sum(1 for _ in run)
    return {"ms": 1000 * (time.process_time() - start) / count}


RUNS: dict[str, Callable[[Job], dict[str, float]]] = {
    "nasbench201": lambda job: accuracies(job, {}, QUERIES),
    "pool": lambda job: accuracies(job, POOL_DRAWS.get(job.strategy, {}), (150,)),
    "limited": limited_regret,
    "front": front_share,
    "ask_tell": ask_tell_ms,
}


def run_job(job: Job) -> tuple[Job, dict[str, float]]:
    return job, RUNS[job.section](job)


def jobs_of(section: str, strategy: str, seeds: int | None, data: Path) -> list[Job]:
    """The runs of a strategy; none where it does not apply."""
    handles_front = STRATEGIES.get(strategy).handles_front  # type: ignore[attr-defined]
    if strategy == "halving" or (section == "front" and not handles_front):
        return []
    cases = [""]
    if section == "limited":
        with np.load(data / "nasbench201_latency_ms.npz", allow_pickle=False) as latency:
            cases = [f"{name}@{quantile}" for name in latency.files if name != "arch" for quantile in LIMITS]
    count = SEEDS[section][strategy in SLOW]
    count = min(seeds or count, count)
    return [Job(section, strategy, seed, str(data), case) for seed in range(count) for case in cases]


def load_cache(path: Path | None) -> dict[str, dict[str, float]]:
    if path is None or not path.exists():
        return {}
    lines = path.read_text().splitlines()
    found: dict[str, dict[str, float]] = dict(json.loads(line) for line in lines if line.endswith("]"))
    return found


def run_all(jobs: list[Job], cache: Path | None) -> dict[Job, dict[str, float]]:
    """Every run, from the cache or in two processes; each is appended to the cache when it is done."""
    known = load_cache(cache)
    found = {job: known[repr(job)] for job in jobs if repr(job) in known}
    rest = [job for job in jobs if job not in found]
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(min(2, os.cpu_count() or 1)) as pool:
        for job, result in pool.imap_unordered(run_job, rest, chunksize=1):
            found[job] = result
            if cache is not None:
                with cache.open("a") as file:
                    file.write(json.dumps([repr(job), result]) + "\n")
    return found


def summarize(found: dict[Job, dict[str, float]]) -> dict[str, dict[str, Any]]:
    """The document; prints the tables on the way."""
    groups: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for job, result in found.items():
        groups[job.section, job.strategy].append(result)
    document: dict[str, dict[str, Any]] = {}
    for section, title in TITLES.items():
        rows = {strategy: results for (one, strategy), results in sorted(groups.items()) if one == section}
        if not rows:
            continue
        print(f"\n{title}: mean (spread) of runs")
        for strategy, results in rows.items():
            columns = {name: [one[name] for one in results if name in one] for name in results[0]}
            means = {name: round(fmean(values), 4) for name, values in columns.items()}
            shown = "  ".join(f"{name} {fmean(values):.3f} ({pstdev(values):.3f})" for name, values in columns.items())
            print(f"  {strategy:18} {shown}  runs {len(results)}")
            document.setdefault(title, {})[strategy] = (
                means if section in ("nasbench201", "pool") else fmean(means.values())
            )
    return document


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--strategy", action="append", choices=STRATEGIES.names())
    parser.add_argument("--only", action="append", choices=list(TITLES))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    jobs = [
        job
        for section in options.only or TITLES
        for strategy in options.strategy or STRATEGIES.names()
        for job in jobs_of(section, strategy, options.seeds, options.data)
    ]
    jobs.sort(key=lambda job: job.strategy in SLOW)
    document = summarize(run_all(jobs, options.cache))
    if options.json:
        print(json.dumps(document))


if __name__ == "__main__":
    main()
