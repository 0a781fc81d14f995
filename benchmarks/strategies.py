"""Every search strategy on every table of real results: what it has found after a number of queries.

    python -m benchmarks.strategies [--data DIR] [--cache FILE] [--seeds N] [--strategy NAME] [--only SECTION]
                                    [--processes N] [--max-seconds S] [--page FILE] [--quick] [--json]

The validation accuracy chooses and the test accuracy judges. Runs that are in the cache are not repeated, so that the
benchmark continues where it was stopped; delete the file where the code has changed. Strategies whose run takes more
than a second have fewer seeds; the table says how many. Every table but those of accuracy is one number per strategy.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.ofa_note10 import ofa_25ms
from benchmarks.strategy_cluster import cluster_overhead
from benchmarks.strategy_runs import RUNS, Job, Outcome, limited_cases, run_job
from benchmarks.strategy_speed import replays_per_minute
from benchmarks.strategy_tables import as_page, as_text, sections_of
from benchmarks.worker_pool import worker_pool
from latkit.search.strategies import STRATEGIES

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SEEDS = {
    "nasbench201": 200,
    "nasbench101_pool": 200,
    "nasbench101_5v": 200,
    "nasbench_macro": 200,
    "accel_nasbench": 200,
    "darts_sample": 200,
    "front_5v_hypervolume_share": 200,
    "limited_regret": 4,
    "ask_tell_ms": 3,
}
"""Runs of a fast strategy; those of a limited search are 63 each, one per device and limit."""
SLOW_SHARE = {
    "bananas": 0.05,
    "model-based": 0.15,
    "model-based-light": 0.05,
    "neural-architect": 0.05,
    "optuna-gp": 0.01,
    "optuna-nsga2": 0.05,
    "optuna-nsga3": 0.05,
    "optuna-tpe": 0.02,
}
"""Of strategies whose run takes more than a second on most tables, the share of the seeds."""
TABLE_SHARE = {
    ("limited_regret", "bananas"): 1,
    ("limited_regret", "model-based"): 1,
    ("limited_regret", "model-based-light"): 1,
    ("limited_regret", "neural-architect"): 1,
    ("limited_regret", "optuna-nsga2"): 1,
    ("limited_regret", "optuna-nsga3"): 1,
    ("limited_regret", "optuna-tpe"): 1,
    ("nasbench201", "optuna-nsga2"): 1,
    ("nasbench201", "optuna-nsga3"): 1,
    ("nasbench_macro", "optuna-nsga2"): 1,
    ("nasbench_macro", "optuna-nsga3"): 1,
    ("nasbench101_pool", "ppo-lstm"): 0.1,
    ("nasbench101_pool", "reinforce-lstm"): 0.1,
    ("accel_nasbench", "ppo-lstm"): 0.1,
    ("accel_nasbench", "reinforce-lstm"): 0.1,
    ("darts_sample", "ppo"): 0.5,
    ("darts_sample", "ppo-lstm"): 0.1,
    ("darts_sample", "reinforce"): 0.5,
    ("darts_sample", "reinforce-lstm"): 0.1,
}
"""The same on tables that are slower or faster than most."""
CASE_STEP = {"optuna-gp": 31}
"""Of a limited search, slow strategies take every n-th case: every limit, on other devices."""
QUICK_SEEDS = 2
MAX_SECONDS = 1140.0
"""Twenty minutes, less what the last runs and the start take; what is left waits for the next call."""
OFA = "ofa_25ms"
"""Once-for-all's predictor and Note 10 table; not one of the strategies."""
CLUSTER = "cluster_overhead_ms"
"""What Ray costs per evaluation; only on request, since it needs the extra `cluster`."""
REPLAYS = "replays_per_minute"
"""Searches by evolution of 150 queries; on two cores."""
FURTHER: dict[str, tuple[Callable[[Path], dict[str, Any]], Callable[[dict[str, Any]], str]]] = {
    OFA: (
        ofa_25ms,
        "Once-for-all's accuracy predictor with the table of a Note 10 at 25 ms: {accuracy:.2f} % in {seconds:.2f} s, "
        "means of 20 seeds (its authors: 81.71 % in 22.17 s).".format_map,
    ),
    REPLAYS: (
        replays_per_minute,
        "Searches by `evolution` of 150 queries: {replays:.0f} per minute in {processes} processes.".format_map,
    ),
    CLUSTER: (
        cluster_overhead,
        "On a Ray cluster of {workers} workers on one machine an evaluation takes {ms:.2f} ms more than in the process "
        "itself; the history is the same: {same_history}.".format_map,
    ),
}
"""What is not a strategy on a table: how it is measured, and described."""


def applies(section: str, strategy: str) -> bool:
    """Whether a strategy can run: halving needs several efforts, a front needs a strategy for fronts."""
    handles_front: bool = STRATEGIES.get(strategy).handles_front  # type: ignore[attr-defined]
    return strategy != "halving" and (section != "front_5v_hypervolume_share" or handles_front)


def share_of(section: str, strategy: str) -> float:
    """Of the seeds of a fast strategy."""
    return TABLE_SHARE.get((section, strategy), SLOW_SHARE.get(strategy, 1))


def seeds_of(section: str, strategy: str, limit: int | None) -> int:
    """How many runs with different seeds."""
    count = max(round(SEEDS[section] * share_of(section, strategy)), 1)
    return min(limit or count, count)


def jobs_of(section: str, strategy: str, seeds: int | None, data: Path) -> list[Job]:
    """The runs of a strategy; none where it does not apply."""
    if not applies(section, strategy):
        return []
    cases = [""]
    if section == "limited_regret":
        cases = limited_cases(str(data))[:: CASE_STEP.get(strategy, 1)]
    count = seeds_of(section, strategy, seeds)
    runs = enumerate(case for _ in range(count) for case in cases)  # no two start with the same networks
    return [Job(section, strategy, seed, str(data), case) for seed, case in runs]


def load_cache(path: Path | None) -> dict[str, Outcome]:
    """Finished runs; a line that was cut off is left out."""
    if path is None or not path.exists():
        return {}
    rows = (json.loads(line) for line in path.read_text().splitlines() if line.endswith("]"))
    return {job: Outcome(*outcome) for job, *outcome in rows}


def run_all(
    jobs: list[Job], cache: Path | None, max_seconds: float = float("inf"), processes: int = 1
) -> dict[Job, Outcome]:
    """Every run, from the cache or in other processes; each is appended to the cache when it is done."""
    known, deadline = load_cache(cache), time.monotonic() + max_seconds
    found = {job: known[repr(job)] for job in jobs if repr(job) in known}
    rest = [job for job in jobs if job not in found]
    if not rest or max_seconds <= 0:
        return found
    with worker_pool(processes) as workers:
        for job, outcome in workers.imap_unordered(run_job, rest, chunksize=1):
            found[job] = outcome
            if cache is not None:
                with cache.open("a") as file:
                    file.write(json.dumps([repr(job), outcome.figures, outcome.seconds]) + "\n")
            if time.monotonic() > deadline:
                print(f"stopped after {max_seconds:.0f} s: {len(found)} of {len(jobs)} runs; run again to continue")
                break
    return found


def ordered(jobs: Iterable[Job]) -> list[Job]:
    """In proportion, fast strategies first: a run that is stopped has parts of all."""
    groups: dict[tuple[str, str], list[Job]] = defaultdict(list)
    for job in jobs:
        groups[job.section, job.strategy].append(job)
    fractions = {job: at / len(group) for group in groups.values() for at, job in enumerate(group)}
    return sorted(fractions, key=lambda job: (fractions[job], job.strategy in SLOW_SHARE))


def parse() -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the tables")
    parser.add_argument("--cache", type=Path, help="file of finished runs, continued where it exists")
    parser.add_argument("--seeds", type=int, help="the largest number of seeds")
    parser.add_argument("--strategy", action="append", choices=STRATEGIES.names())
    parser.add_argument("--only", action="append", choices=[*RUNS, OFA, REPLAYS, CLUSTER])
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--max-seconds", type=float, default=MAX_SECONDS, help="stop after so long; 0: run nothing")
    parser.add_argument("--page", type=Path, help="write the tables as a page in Markdown")
    parser.add_argument("--quick", action="store_true", help="two seeds on one table: shows that it works")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def chosen_jobs(options: argparse.Namespace, sections: Iterable[str]) -> list[Job]:
    """The runs that the options name, in order."""
    seeds = options.seeds or (QUICK_SEEDS if options.quick else None)
    names = options.strategy or [name for name in STRATEGIES.names() if not (options.quick and name in SLOW_SHARE)]
    pairs = ((section, name) for section in sections if section in RUNS for name in names)
    return ordered(job for section, name in pairs for job in jobs_of(section, name, seeds, options.data))


def main() -> None:
    options = parse()
    sections = options.only or (["nasbench201", "ask_tell_ms"] if options.quick else [*RUNS, OFA, REPLAYS])
    found = run_all(chosen_jobs(options, sections), options.cache, options.max_seconds, options.processes)
    tables = sections_of(found, str(options.data))
    for table in tables:
        print(as_text(table))
    document: dict[str, Any] = {table.name: table.document() for table in tables}
    further: list[str] = []
    for name, (measure, describe) in FURTHER.items():
        if name in sections:
            document[name] = measure(options.data)
            further.append(describe(document[name]))
            print(f"\n{name}: {further[-1]}")
    if options.page:
        options.page.write_text(as_page(tables, further))
    if options.json:
        print(json.dumps(document))


if __name__ == "__main__":
    main()
