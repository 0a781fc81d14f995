"""The request of a search in its folder: equal when it is read, and there as long as the search it began."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from latkit.errors import BadFile, UsageError
from latkit.search.records.strategy import StrategyPlan
from latkit.spaces import Space, load
from latkit.workspace import Workspace
from latkit.workspace.requests import BenchmarkSearchRequest, SearchRequest
from latkit.workspace.requests.base import Tool
from latkit.workspace.searches.saved_request import REQUEST_FILE, AnySearch, SavedRequest, saving_request

PLAN = StrategyPlan(strategy="evolution", settings={"population": 8}, goals=("accuracy:max",), max_seconds=9)
REPLAY = BenchmarkSearchRequest(benchmark="nasbench201", data=Path("tables"), name="found", strategy=PLAN)


def request(space: Space, seed: int = 0) -> SearchRequest:
    return SearchRequest(
        targets=("pi4/tflite-t4", "here/onnxruntime"),
        space=space,
        data="digits",
        latencies_s=(0.02, 0.001),
        name="found",
        settings={"seed": seed, "learning_rate": 0.1, "export_tflite": False},
        constraints={"macs": 2e6},
        baselines=("random:5",),
        strategy=PLAN,
        workers=2,
        wait_s=float("inf"),
        benchmark_tool=Tool(path=Path("benchmark_model"), flags=("use_gpu=true",)),
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.init(tmp_path)


def save(workspace: Workspace, given: AnySearch) -> Path:
    folder = workspace.search_dir(given.name)
    folder.mkdir(exist_ok=True)
    SavedRequest.of(given).save(folder / REQUEST_FILE)
    return folder / REQUEST_FILE


@pytest.mark.parametrize("name", ["proxyless-tiny", "proxyless-tiny:fp32+int8", "ofa-tiny", "mnasnet"])
def test_a_request_is_read_as_it_was_given_but_for_resuming(workspace: Workspace, name: str) -> None:
    given = request(load(name))
    save(workspace, given)
    found = workspace.saved_request("found")
    assert isinstance(found, SearchRequest)
    assert found.space.key == given.space.key
    assert found.model_dump() == {**given.model_dump(), "resume": True, "wait_s": 0.0}


def test_a_replay_is_read_as_it_was_given(workspace: Workspace) -> None:
    save(workspace, REPLAY)
    assert workspace.saved_request("found") == REPLAY.model_copy(update={"resume": True})


def refuse(workspace: Workspace, given: AnySearch, writes: str = "") -> None:
    """A search that writes a file, and is refused."""
    with saving_request(workspace, given):
        if writes:
            (workspace.search_dir(given.name) / writes).touch()
        raise UsageError("no such images")


def test_a_search_that_is_refused_leaves_its_folder_as_it_was(workspace: Workspace) -> None:
    folder, given = workspace.search_dir("found"), request(load("proxyless-tiny"))
    with pytest.raises(UsageError):
        refuse(workspace, given)
    assert not folder.exists()
    with saving_request(workspace, given):
        (folder / "recipe.json").touch()
    begun = (folder / REQUEST_FILE).read_bytes()
    with pytest.raises(UsageError):
        refuse(workspace, request(load("proxyless-tiny"), seed=1))
    assert (folder / REQUEST_FILE).read_bytes() == begun
    (folder / REQUEST_FILE).unlink()
    with pytest.raises(UsageError):
        refuse(workspace, given)
    assert [path.name for path in folder.iterdir()] == ["recipe.json"]


def test_a_search_that_has_begun_keeps_its_request(workspace: Workspace) -> None:
    with pytest.raises(UsageError):
        refuse(workspace, REPLAY, writes="history.jsonl")
    assert workspace.saved_request("found").resume


def test_what_is_no_request_of_that_search_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match=r"request\.json, but found none; .* full command again, with --resume"):
        workspace.saved_request("found")
    path = save(workspace, REPLAY)
    document = json.loads(path.read_text())
    for change, expected in (
        ({"benchmark": {**document["benchmark"], "name": "other"}}, "that of other"),
        ({"benchmark": None}, "no request"),
        ({"benchmark": {**document["benchmark"], "workers": 0}}, "workers"),
        ({"search": {"space": {"format": "latkit-space-9"}}}, "latkit-space-9"),
    ):
        path.write_text(json.dumps({**document, **change}))
        with pytest.raises((UsageError, BadFile), match=expected):
            workspace.saved_request("found")
