"""What a Ray cluster costs per evaluation: the same search by one process and by eight workers of one machine."""

from __future__ import annotations

import itertools
import os
import time
import warnings
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.strategy_runs import table_of
from latkit.search.cluster import connect
from latkit.search.goals import Goals
from latkit.search.history import Entry
from latkit.search.loop import Budget, LoopOptions, search
from latkit.search.strategies import make_strategy

WORKERS, EVALUATIONS = 8, 200
LOCAL = "127.0.0.1"


def cluster_overhead(data: Path) -> dict[str, Any]:
    """Milliseconds that an evaluation takes on the cluster beyond those in this process, where it is a look-up.

    `ms` is the median between one verdict and the next, so that the start of the workers does not count, and `history`
    is whether both histories are equal. Raises UsageError without Ray.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # addresses are loopback ones
    with warnings.catch_warnings(), TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        head = {"num_cpus": WORKERS, "include_dashboard": False, "node_ip_address": LOCAL}
        nodes = Cluster(initialize_head=True, head_node_args=head)
        ray, _ = connect(nodes.address)
        try:
            local, single = _timed(data, Path(folder, "one"), LoopOptions(batch=WORKERS))
            options = LoopOptions(batch=WORKERS, workers=WORKERS, cluster=nodes.address)
            remote, spread = _timed(data, Path(folder, "cluster"), options)
        finally:
            ray.shutdown()
            nodes.shutdown()
    return {"workers": WORKERS, "ms": round(remote - local, 3), "same_history": single == spread}


def _timed(data: Path, history: Path, how: LoopOptions) -> tuple[float, bytes]:
    """Median milliseconds from verdict to verdict, and the history."""
    space, table = table_of("nasbench201", str(data))
    times: list[float] = []

    def note(_entry: Entry) -> None:
        times.append(time.perf_counter())

    strategy = make_strategy("evolution", space, Goals.parse("accuracy:max"), 0)
    options = LoopOptions(history, how.batch, how.workers, how.cluster, note)
    search(strategy, table, Budget(EVALUATIONS), options)
    steps = [1e3 * (after - before) for before, after in itertools.pairwise(times)]
    return median(steps), history.read_bytes()
