"""A search on two nodes of a Ray cluster on this machine, one of which is killed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from latkit.errors import UsageError
from latkit.search.goals import Goals
from latkit.search.history import Entry
from latkit.search.loop import Budget, LoopOptions, SearchOutcome, search
from latkit.search.strategies import make_strategy
from tests.search.toy import ToyEvaluator, toy_space

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # addresses are loopback ones
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray = pytest.importorskip("ray", reason="Ray is not installed: the extra `cluster`")
        from ray.cluster_utils import Cluster

        nodes = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 4, "include_dashboard": False, "node_ip_address": "127.0.0.1"},
        )
        ray.init(address=nodes.address, _node_ip_address="127.0.0.1", log_to_driver=False, logging_level="ERROR")
        yield nodes
        ray.shutdown()
        nodes.shutdown()


def run(path: Path | None, cluster: str | None = None, workers: int = 1, **options: Any) -> SearchOutcome:
    strategy = make_strategy("evolution", toy_space(), Goals.parse("score:max"), 0)
    loop_options = LoopOptions(path, batch=8, workers=workers, cluster=cluster, **options)
    return search(strategy, options.get("evaluator") or ToyEvaluator(), Budget(40), loop_options)


def test_eight_workers_of_a_cluster_and_a_killed_node_leave_the_history_of_one(cluster: Any, tmp_path: Path) -> None:
    second = cluster.add_node(num_cpus=4, node_ip_address="127.0.0.1", include_dashboard=False)
    cluster.wait_for_nodes()
    killed: list[int] = []

    def kill(entry: Entry) -> None:
        if entry.number == 10:
            cluster.remove_node(second, allow_graceful=False)
            killed.append(entry.number)

    outcome = run(tmp_path / "cluster.jsonl", cluster.address, 8, on_entry=kill)
    run(tmp_path / "one.jsonl")
    assert killed
    assert outcome.failures == 0
    assert (tmp_path / "cluster.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()


def test_an_evaluation_that_ends_its_worker_fails_alone(cluster: Any) -> None:
    dying = [entry.architecture for entry in run(None).entries][3:4]
    strategy = make_strategy("evolution", toy_space(), Goals.parse("score:max"), 0)
    loop_options = LoopOptions(batch=8, workers=2, cluster=cluster.address)
    outcome = search(strategy, ToyEvaluator(dies=dying), Budget(12), loop_options)
    assert [bool(entry.verdict.failure) for entry in outcome.entries] == [n == 3 for n in range(12)]


def test_a_cluster_that_cannot_be_reached_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed: the extra `cluster`")

    def unreachable(**_: object) -> None:
        raise ConnectionError("nobody answers\nat all")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", unreachable)
    with pytest.raises(UsageError, match=r"expected a Ray cluster at 127.0.0.1:1, but found none") as raised:
        run(None, "127.0.0.1:1")
    assert "\n" not in str(raised.value)
