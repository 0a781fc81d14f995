"""Searches on a Ray cluster of two nodes, one of which is killed: a program of its own, which writes what it found.

Ray starts servers and threads, and ends the process that it serves when one of them fails: no place for it in a
process that runs other tests.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from latkit.search.cluster import MeasureOnHost
from latkit.search.evaluators import Verdict
from latkit.search.evaluators.measure_unsure import MeasureUnsure
from latkit.search.goals import Goals
from latkit.search.history import Entry
from latkit.search.loop import Budget, LoopOptions, SearchOutcome, search
from latkit.search.strategies import make_strategy
from latkit.spaces.base import Architecture
from tests.search.toy import ToyEvaluator, toy_space


@contextmanager
def running_cluster() -> Iterator[Any]:
    """A cluster of one node, and this process connected to it."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # addresses are loopback ones
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 2, "include_dashboard": False, "node_ip_address": "127.0.0.1"}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    try:
        ray.init(address=nodes.address, _node_ip_address="127.0.0.1", log_to_driver=False, logging_level="ERROR")
        yield nodes
    finally:
        ray.shutdown()
        nodes.shutdown()


def run(evaluator: ToyEvaluator, evaluations: int, options: LoopOptions) -> SearchOutcome:
    """Evolution on the toy space."""
    strategy = make_strategy("evolution", toy_space(), Goals.parse("score:max"), 0)
    return search(strategy, evaluator, Budget(evaluations), options)


def lose_a_node(cluster: Any, second: Any, path: Path) -> dict[str, Any]:
    """Six workers on two nodes of two processors, the second of which is killed at the tenth evaluation.

    Not all workers can run, and fewer later. The history is written to `path`.
    """
    killed: list[int] = []

    def kill(entry: Entry) -> None:
        if entry.number == 10:
            cluster.remove_node(second, allow_graceful=False)
            killed.append(entry.number)

    options = LoopOptions(path, batch=8, workers=6, cluster=cluster.address, on_entry=kill)
    return {"killed": killed, "failures": run(ToyEvaluator(), 40, options).failures}


def lose_a_worker(cluster: Any) -> list[bool]:
    """Which evaluations failed, where the fourth ends its worker."""
    dying = run(ToyEvaluator(), 4, LoopOptions(batch=8)).entries[3].architecture
    options = LoopOptions(batch=8, workers=2, cluster=cluster.address)
    return [bool(entry.verdict.failure) for entry in run(ToyEvaluator(dies=[dying]), 12, options).entries]


class NodeNumber:
    """Measures 1 on the node that began the search, and 99 elsewhere."""

    def __init__(self) -> None:
        self.begun_on = _node_id()

    def __call__(self, _quantity: str, _architecture: Architecture) -> float:
        return 1.0 if _node_id() == self.begun_on else 99.0


def _node_id() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


class Unsure(ToyEvaluator):
    """Predicts an interval that contains every bound."""

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        interval = {"size.low": 0.0, "size.high": 1e6}
        return [replace(one, quantities={**one.quantities, **interval}) for one in super().judge(architectures, effort)]


def measure_on_host(cluster: Any) -> list[float]:
    """What two workers on two nodes measure."""
    goals = Goals.parse("score:max", "size<=20")
    evaluator = MeasureUnsure(Unsure(), goals, MeasureOnHost(NodeNumber(), cluster.address))
    strategy = make_strategy("random", toy_space(), goals, 0)
    options = LoopOptions(batch=4, workers=3, cluster=cluster.address)
    return [entry.verdict.quantities["size"] for entry in search(strategy, evaluator, Budget(8), options).entries]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    with running_cluster() as cluster:
        second = cluster.add_node(num_cpus=2, node_ip_address="127.0.0.1", include_dashboard=False)
        cluster.wait_for_nodes()
        found: dict[str, Any] = {"measured": measure_on_host(cluster)}
        found["node"] = lose_a_node(cluster, second, folder / "cluster.jsonl")
        found["worker"] = lose_a_worker(cluster)
        (folder / "found.json").write_text(json.dumps(found))
