"""Every search strategy on every table of real results: what it has found after a number of queries.

    python -m benchmarks.strategies [--data DIR] [--cache FILE] [--seeds N] [--strategy NAME] [--only SECTION]
                                    [--max-seconds S] [--quick] [--json]

The validation accuracy chooses and the test accuracy judges. Runs that are in the cache are not repeated, so that the
benchmark continues where it was stopped. Strategies whose run takes more than a second have fewer seeds; the table says
how many. Every table but those of accuracy is one number per strategy.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from benchmarks.ofa_note10 import ofa_25ms
from benchmarks.strategy_cluster import cluster_overhead
from benchmarks.strategy_runs import LIMITS, RUNS, Job, run_job, table_of
from latkit.search.strategies import STRATEGIES

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SEEDS = {
    "nasbench201": 200,
    "nasbench101_pool": 200,
    "nasbench_macro": 50,
    "accel_nasbench": 50,
    "front_5v_hypervolume_share": 50,
    "limited_regret": 5,
    "ask_tell_ms": 3,
}
"""Runs of every strategy; those of a limited search are 63 each, one per device and limit."""
SLOW_SHARE = {
    "bananas": 0.1,
    "model-based": 0.1,
    "model-based-light": 0.1,
    "neural-architect": 0.1,
    "optuna-gp": 0.01,
    "optuna-nsga2": 0.05,
    "optuna-nsga3": 0.05,
    "optuna-tpe": 0.02,
}
"""Of strategies whose run takes more than a second, the share of the seeds."""
MIN_COMPLETE_SHARE, SLOW_CASES = 0.1, 9
"""Of a limited search, strategies with a smaller share of the seeds take one case in nine."""
QUICK_SEEDS = 2
MAX_SECONDS = 1140.0
"""Twenty minutes, less what the last runs and the start take; what is left waits for the next call."""
OFA = "ofa_25ms"
"""Once-for-all's predictor and Note 10 table; not one of the strategies."""
CLUSTER = "cluster_overhead_ms"
"""What Ray costs per evaluation; only on request, since it needs the extra `cluster`."""
ACCURACIES = ("nasbench201", "nasbench101_pool", "nasbench_macro", "accel_nasbench")
"""Sections with an accuracy by the number of queries."""


def applies(section: str, strategy: str) -> bool:
    """Whether a strategy can run: halving needs several efforts, a front needs a strategy for fronts."""
    handles_front: bool = STRATEGIES.get(strategy).handles_front  # type: ignore[attr-defined]
    return strategy != "halving" and (section != "front_5v_hypervolume_share" or handles_front)


def seeds_of(section: str, strategy: str, limit: int | None) -> int:
    """How many runs with different seeds."""
    count = max(round(SEEDS[section] * SLOW_SHARE.get(strategy, 1)), 1)
    return min(limit or count, count)


def jobs_of(section: str, strategy: str, seeds: int | None, data: Path) -> list[Job]:
    """The runs of a strategy; none where it does not apply."""
    if not applies(section, strategy):
        return []
    cases = [""]
    if section == "limited_regret":
        columns = table_of("nasbench201", str(data))[1].table.columns
        devices = [name.removeprefix("seconds.") for name in columns if name.startswith("seconds.")]
        cases = [f"{name}@{quantile}" for name in devices for quantile in LIMITS]
        if SLOW_SHARE.get(strategy, 1) < MIN_COMPLETE_SHARE:
            cases = cases[::SLOW_CASES]
    count = seeds_of(section, strategy, seeds)
    return [Job(section, strategy, seed, str(data), case) for seed in range(count) for case in cases]


def load_cache(path: Path | None) -> dict[str, dict[str, float]]:
    """Finished runs; a line that was cut off is left out."""
    if path is None or not path.exists():
        return {}
    lines = path.read_text().splitlines()
    found: dict[str, dict[str, float]] = dict(json.loads(line) for line in lines if line.endswith("]"))
    return found


def run_all(jobs: list[Job], cache: Path | None, max_seconds: float = float("inf")) -> dict[Job, dict[str, float]]:
    """Every run, from the cache or in two processes; each is appended to the cache when it is done."""
    known, deadline = load_cache(cache), time.monotonic() + max_seconds
    found = {job: known[repr(job)] for job in jobs if repr(job) in known}
    rest = [job for job in jobs if job not in found]
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(min(2, os.cpu_count() or 1)) as workers:
        for job, result in workers.imap_unordered(run_job, rest, chunksize=1):
            found[job] = result
            if cache is not None:
                with cache.open("a") as file:
                    file.write(json.dumps([repr(job), result]) + "\n")
            if time.monotonic() > deadline:
                print(f"stopped after {max_seconds:.0f} s: {len(found)} of {len(jobs)} runs; run again to continue")
                break
    return found


def summarize(found: dict[Job, dict[str, float]]) -> dict[str, dict[str, Any]]:
    """The document; prints the tables on the way."""
    groups: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for job, result in found.items():
        groups[job.section, job.strategy].append(result)
    document: dict[str, dict[str, Any]] = {}
    for section in RUNS:
        rows = {strategy: results for (one, strategy), results in sorted(groups.items()) if one == section}
        if rows:
            print(f"\n{section}: mean (spread) of runs")
            document[section] = {strategy: _row(section, strategy, results) for strategy, results in rows.items()}
    return document


def _row(section: str, strategy: str, results: list[dict[str, float]]) -> Any:
    columns = {name: [one[name] for one in results if name in one] for name in results[0]}
    shown = "  ".join(f"{name} {fmean(values):.3f} ({pstdev(values):.3f})" for name, values in columns.items())
    print(f"  {strategy:18} {shown}  runs {len(results)}")
    means = {name: round(fmean(values), 4) for name, values in columns.items()}
    return means if section in ACCURACIES else next(iter(means.values()))


def ordered(jobs: Iterable[Job]) -> list[Job]:
    """In proportion, fast strategies first: a run that is stopped has parts of all."""
    groups: dict[tuple[str, str], list[Job]] = defaultdict(list)
    for job in jobs:
        groups[job.section, job.strategy].append(job)
    shares = {job: at / len(group) for group in groups.values() for at, job in enumerate(group)}
    return sorted(shares, key=lambda job: (shares[job], job.strategy in SLOW_SHARE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the tables")
    parser.add_argument("--cache", type=Path, help="file of finished runs, continued where it exists")
    parser.add_argument("--seeds", type=int, help="at most so many seeds")
    parser.add_argument("--strategy", action="append", choices=STRATEGIES.names())
    parser.add_argument("--only", action="append", choices=[*RUNS, OFA, CLUSTER])
    parser.add_argument("--max-seconds", type=float, default=MAX_SECONDS, help="stop after so long; run again")
    parser.add_argument("--quick", action="store_true", help="two seeds on two tables: shows that it works")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sections = options.only or (["nasbench201", "ask_tell_ms"] if options.quick else [*RUNS, OFA])
    seeds = options.seeds or (QUICK_SEEDS if options.quick else None)
    names = options.strategy or [name for name in STRATEGIES.names() if not (options.quick and name in SLOW_SHARE)]
    jobs = [
        job
        for section in sections
        if section in RUNS
        for name in names
        for job in jobs_of(section, name, seeds, options.data)
    ]
    document = summarize(run_all(ordered(jobs), options.cache, options.max_seconds))
    if OFA in sections:
        document[OFA] = ofa_25ms(options.data)
        print(f"\n{OFA}: {document[OFA]['accuracy']:.3f} % in {document[OFA]['seconds']:.2f} s")
    if CLUSTER in sections:
        document[CLUSTER] = cluster_overhead(options.data)
        print(f"\n{CLUSTER}: {document[CLUSTER]['ms']:.2f} ms with {document[CLUSTER]['workers']} workers")
    if options.json:
        print(json.dumps(document))


if __name__ == "__main__":
    main()
