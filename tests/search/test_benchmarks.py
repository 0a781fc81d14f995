"""The machine-readable output of the search's benchmarks: every figure, under its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.search_quality import PRINTED, Job, row
from latkit.evaluation.validation import MeasuredNetwork, NetworkResult
from latkit.search import DataSplit, Problem, run_search
from latkit.search.baselines import BaselineRequest, Baselines
from latkit.search.baselines.run import run_baselines
from latkit.spaces import Space
from tests.forking import Forks
from tests.search.conftest import Tables, brief, some_path_s

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_search_quality_prints_the_figures_of_a_search_and_its_baselines(
    mini_space: Space, table_of: Tables, stripes_data: DataSplit, tmp_path: Path
) -> None:
    table, settings = table_of(mini_space), brief()
    job = Job(tmp_path, "onnxruntime", "stripes", 96, mini_space, 0, some_path_s(table), 2, {})
    found = run_search(Problem(mini_space, table, stripes_data, job.target_s, settings), job.folder)
    requested = [BaselineRequest(kind="random", count=2), BaselineRequest(kind="mobilenetv2")]
    run_baselines(
        Problem(mini_space, table, stripes_data, job.target_s, settings),
        job.folder,
        requested,
        lambda _network: job.target_s,
    )
    ms = 1e3 * job.target_s
    measured = NetworkResult(
        name="found",
        key="key",
        architecture=found.architecture,
        predicted_ms=ms,
        low_ms=ms,
        high_ms=ms,
        first_ms=2 * ms,
        second_ms=4 * ms,
    )
    printed = row(job, MeasuredNetwork(target="here/onnxruntime", model="lookup", emulated=False, network=measured))
    assert set(PRINTED) <= printed.keys()
    records = Baselines.load(job.folder).records
    accuracies = {record.name: record.score for record in records}
    macs = {record.name: record.macs for record in records}
    assert printed["accuracy"] == found.score
    assert printed["random_accuracy_mean"] == (accuracies["random-1"] + accuracies["random-2"]) / 2
    assert printed["macs_over_random"] == found.macs / ((macs["random-1"] + macs["random-2"]) / 2)
    assert printed["mobilenetv2_accuracy"] in accuracies.values()
    assert printed["measured_latency_ms"] == 3 * ms
    assert printed["search_seconds"] > 0 < printed["training_seconds"]


@pytest.mark.slow
def test_supernet_step_prints_ratios_and_memory_by_candidates(forked: Forks) -> None:
    argv = "--space proxyless-tiny --resolution 16 --batch 2 --memory-batch 2 --pairs 1 --turns 1 --json"
    program = ROOT / "benchmarks" / "supernet_step.py"
    ended = forked.run(program, *argv.split(), env={"PYTHONPATH": str(ROOT)})
    assert ended.returncode == 0, ended.stderr
    printed = json.loads(ended.stdout.splitlines()[-1])
    assert {"weight_step_ratio", "architecture_step_ratio", "memory_ratio"} <= printed.keys()
    assert printed["memory_bytes_by_candidates"].keys() == {"2", "12"}
    few, many = printed["step_bytes_by_candidates"].values()
    assert few == many, "a step takes no more for candidates that it does not run"
