"""How a search ends, or does not begin: a busy device loses nothing, and impossible requests are reported first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import search_quality
from latkit.errors import DeviceBusy, TargetOutOfReach
from latkit.layout.series import Series
from latkit.ops import Network
from latkit.progress import Callbacks
from latkit.search import DataSplit
from latkit.search.baselines import BASELINES_FILE, BaselineRecord, BaselineRequest, Baselines
from latkit.search.records.result import FILES
from latkit.spaces import Space
from latkit.targets import Target
from latkit.workspace import MeasureOptions, Workspace
from latkit.workspace.searches import single_search
from latkit.workspace.searches.baselines import NetworkTimer, check_mobilenet
from latkit.workspace.searches.preflight import Tables
from latkit.workspace.searches.search_job import SearchJob
from tests.search.conftest import Tables as TablesOf
from tests.search.conftest import brief, some_path_s

TARGET = Target("board", "onnxruntime")
MOBILENET = [BaselineRequest(kind="mobilenetv2")]


def busy(_timer: NetworkTimer) -> None:
    raise DeviceBusy("board is in use by somebody")


def test_a_device_that_is_busy_at_the_end_loses_nothing(
    mini_space: Space,
    table_of: TablesOf,
    stripes_data: DataSplit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace, table, messages = Workspace.init(tmp_path), table_of(mini_space), list[str]()
    monkeypatch.setattr(single_search, "prepared", lambda *_given: (None, Tables(table)))
    monkeypatch.setattr(NetworkTimer, "of", lambda *_given: timer_of(workspace, messages))
    monkeypatch.setattr(NetworkTimer, "collection", busy)
    job = SearchJob(Series.plan("net", [TARGET], [some_path_s(table)]), mini_space, stripes_data, brief())
    given = workspace, job, job.series.members[0], Callbacks(on_message=messages.append)
    with pytest.raises(DeviceBusy):
        single_search.search_one(*given)
    folder = workspace.search_dir("net")
    assert (folder / FILES["result"]).exists()
    saved = f"the network that was found is saved in {folder}; the same command with --resume measures it"
    assert messages == [saved]
    weights = (folder / FILES["weights"]).read_bytes()
    with pytest.raises(DeviceBusy):
        single_search.search_one(*given, resume=True)
    assert messages == [saved] * 2
    assert (folder / FILES["weights"]).read_bytes() == weights  # it was not searched again


def timer_of(workspace: Workspace, messages: list[str]) -> NetworkTimer:
    callbacks = Callbacks(on_message=messages.append)
    return NetworkTimer(workspace, TARGET, None, MeasureOptions(), callbacks)  # type: ignore[arg-type]


def test_an_infeasible_mobilenet_is_reported_before_the_search(
    mini_space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, measured_names = Workspace.init(tmp_path), list[str]()

    def seconds(_timer: NetworkTimer, network: Network) -> float:
        measured_names.append(network.name)
        return 2e-3

    monkeypatch.setattr(NetworkTimer, "seconds", seconds)
    timer = timer_of(workspace, [])
    with pytest.raises(TargetOutOfReach, match=r"a MobileNetV2 of at most 1 ms, but its narrowest takes 2 ms; leave"):
        check_mobilenet(timer, mini_space, 1e-3, "net", MOBILENET)
    assert measured_names == ["mobilenetv2-0.05"]
    check_mobilenet(timer, mini_space, 2e-3, "net", MOBILENET)
    check_mobilenet(timer, mini_space, 1e-3, "net", [BaselineRequest(kind="random", count=3)])
    record = BaselineRecord(
        name="mobilenetv2-0.05",
        kind="mobilenetv2",
        score=0.5,
        predicted_latency_s=1e-3,
        macs=1,
        parameters=1,
        architecture=None,
        seconds={},
    )
    workspace.search_dir("net").mkdir()
    Baselines(records=(record,)).save(workspace.search_dir("net") / BASELINES_FILE)
    check_mobilenet(timer, mini_space, 1e-3, "net", MOBILENET)
    assert len(measured_names) == 2


def test_a_device_that_is_busy_now_may_be_free_when_the_search_ends(
    mini_space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    monkeypatch.setattr(NetworkTimer, "collection", busy)
    check_mobilenet(timer_of(Workspace.init(tmp_path), messages), mini_space, 1e-3, "net", MOBILENET)
    assert messages == [
        "whether a MobileNetV2 is fast enough will be known after the search: board is in use by somebody"
    ]


def test_the_benchmark_says_so_before_it_searches(
    mini_space: Space, table_of: TablesOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, table = Workspace.init(tmp_path), table_of(mini_space)
    monkeypatch.setattr(search_quality, "LatencyTable", lambda *_given: table)
    monkeypatch.setattr(Workspace, "model", lambda *_given, **_named: None)
    (network,) = [next(search_quality.ladder(mini_space))]
    path = search_quality.widths_path(workspace, TARGET)
    path.parent.mkdir(parents=True)
    settings = {**search_quality.PUBLISHED, "seed": 0}

    def job(target_s: float) -> search_quality.Job:
        return search_quality.Job(tmp_path, "onnxruntime", "digits", 9, mini_space, 0, target_s, 1, settings)

    path.write_text(json.dumps({network.key: 1.0}))
    with pytest.raises(TargetOutOfReach, match="its narrowest takes 1000 ms"):
        search_quality.check_baselines_exist(workspace, TARGET, [job(some_path_s(table))])
    with pytest.raises(TargetOutOfReach, match="expected a"):
        search_quality.check_baselines_exist(workspace, TARGET, [job(table.fastest() / 2)])
