"""How many searches by evolution two cores replay in a minute."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.strategy_runs import Job, replay
from benchmarks.worker_pool import worker_pool
from latkit.search.goals import Goals

PROCESSES, REPLAYS, QUERIES = 2, 100, 150


def replays_per_minute(data: Path) -> dict[str, Any]:
    """Replays of 150 queries on NAS-Bench-201 per minute, in two processes; reading the table is not counted."""
    begin = time.perf_counter()
    with worker_pool(PROCESSES) as workers:
        rates = workers.map(_rate, [str(data)] * PROCESSES, chunksize=1)
    print(f"(measured in {time.perf_counter() - begin:.0f} s)")
    return {"replays": round(sum(rates)), "processes": PROCESSES}


def _rate(data: str) -> float:
    """Replays per minute in this process."""
    jobs = [Job("nasbench201", "evolution", seed, data) for seed in range(REPLAYS)]
    replay("nasbench201", jobs[0], Goals.parse("accuracy:max"), QUERIES)
    begin = time.perf_counter()
    for job in jobs:
        replay("nasbench201", job, Goals.parse("accuracy:max"), QUERIES)
    return 60 * REPLAYS / (time.perf_counter() - begin)
