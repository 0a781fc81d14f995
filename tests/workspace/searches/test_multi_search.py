"""Several searches in a row: their names, what they share, and the effect of one's failure on the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from latkit.errors import BadFile, TargetOutOfReach, UsageError
from latkit.layout.series import SERIES_FILE, Member, Series, searches_named, series_named
from latkit.targets import Target
from latkit.workspace import Workspace
from latkit.workspace.searches.multi_search import search_series
from latkit.workspace.searches.single_search import FinishedSearch
from tests.conftest import Register

ONE, TWO, THREE = (Target("here", "onnxruntime", threads) for threads in (1, 2, 4))


@pytest.fixture
def workspace(tmp_path: Path, register: Register) -> Workspace:
    made = Workspace.init(tmp_path / "workspace")
    register(made.devices_dir, tmp_path / "agent")
    return made


def names(series: Series) -> list[str]:
    return [member.name for member in series.members]


def test_searches_are_named_after_their_differences() -> None:
    assert names(Series.plan("x", [ONE], [2e-3])) == ["x"]
    assert names(Series.plan("x", [ONE, TWO], [2e-3])) == ["x-here-onnxruntime-t1", "x-here-onnxruntime-t2"]
    both = Series.plan("x", [ONE, TWO], [2e-3, 2.5e-3])
    assert [member.target_latency_s for member in both.members] == [2e-3, 2.5e-3]
    assert names(Series.plan("x", [ONE], [2e-3, 2.5e-3])) == ["x-2ms", "x-2.5ms"]
    mixed = Series.plan("x", [ONE, ONE, TWO], [2e-3, 3e-3, 4e-3])
    assert names(mixed) == ["x-here-onnxruntime-t1-2ms", "x-here-onnxruntime-t1-3ms", "x-here-onnxruntime-t2-4ms"]
    with pytest.raises(UsageError, match="one latency, or one for each of 3 targets, but found 2"):
        Series.plan("x", [ONE, TWO, THREE], [1e-3, 2e-3])
    with pytest.raises(UsageError, match="the same ones twice"):
        Series.plan("x", [ONE, ONE], [1e-3])


class Searcher:
    """Writes the files of a search, and fails on request: beforehand too."""

    def __init__(self, workspace: Workspace, failing: set[Target]) -> None:
        self.workspace, self.failing = workspace, failing
        self.calls: list[tuple[Target, bool, Path | None]] = []

    def precheck(self, member: Member, resume: bool) -> None:
        if Target.parse(member.target) in self.failing:
            raise TargetOutOfReach("too fast")

    def search(self, member: Member, resume: bool, warm_up: Path | None) -> FinishedSearch:
        assert member.target_latency_s == 2e-3
        target = Target.parse(member.target)
        self.calls.append((target, resume, warm_up))
        if target in self.failing:
            raise TargetOutOfReach("too fast")
        folder = self.workspace.search_dir(member.name)
        folder.mkdir(exist_ok=True)
        for file in ("recipe.json", "result.json", *(["warmup.pt"] if warm_up is None else [])):
            (folder / file).touch()
        return Unmeasured(target, result=None, measured=None, folder=folder)  # type: ignore[arg-type]


class Unmeasured(FinishedSearch):
    """A search without a result."""

    notes = ()  # type: ignore[assignment]


def test_one_failure_ends_no_other_and_the_first_warm_up_serves_all(workspace: Workspace) -> None:
    series, messages = Series.plan("x", [ONE, TWO, THREE], [2e-3]), list[str]()
    first = Searcher(workspace, {ONE})
    outcomes = list(search_series(workspace, series, first, resume=False, on_message=messages.append))
    warm_up_file = workspace.search_dir("x-here-onnxruntime-t2") / "warmup.pt"
    assert first.calls == [(ONE, False, None), (TWO, False, None), (THREE, False, warm_up_file)]
    assert [outcome.error is None for outcome in outcomes] == [False, True, True]
    assert outcomes[0].document() == {
        "name": "x-here-onnxruntime-t1",
        "target": str(ONE),
        "error": "too fast",
    }
    assert messages[:2] == [
        f"x-here-onnxruntime-t1: {ONE} at 2 ms cannot work; the others are searched: too fast",
        f"1 of 3  x-here-onnxruntime-t1: {ONE} at 2 ms",
    ]
    assert "failed: too fast" in messages
    assert series_named(workspace, "x") == series
    assert searches_named(workspace, ["x"]) == ["x-here-onnxruntime-t2", "x-here-onnxruntime-t4"]

    again = Searcher(workspace, set())
    with pytest.raises(UsageError, match="resume the series"):
        list(search_series(workspace, series, again, resume=False, on_message=messages.append))
    list(search_series(workspace, series, again, resume=True, on_message=messages.append))
    assert again.calls == [(ONE, False, warm_up_file), (TWO, True, warm_up_file), (THREE, True, warm_up_file)]


def test_nothing_begins_before_the_options_are_valid(workspace: Workspace) -> None:
    searcher = Searcher(workspace, set())

    def begin(series: Series, resume: bool) -> None:
        list(search_series(workspace, series, searcher, resume))

    with pytest.raises(UsageError, match="unknown device 'nowhere'"):
        begin(Series.plan("x", [ONE, Target("nowhere", "tflite")], [2e-3]), resume=False)
    with pytest.raises(UsageError, match="expected a series of searches to resume, but found none"):
        begin(Series.plan("x", [ONE, TWO], [2e-3]), resume=True)
    workspace.search_dir("single").mkdir()
    (workspace.search_dir("single") / "recipe.json").touch()
    with pytest.raises(UsageError, match="holds a search of one target"):
        begin(Series.plan("single", [ONE, TWO], [2e-3]), resume=True)
    assert searcher.calls == []
    with pytest.raises(UsageError, match="found none called 'nothing'"):
        searches_named(workspace, ["nothing"])
    (workspace.search_dir("single") / SERIES_FILE).write_text("{}")
    with pytest.raises(BadFile, match="a series of searches"):
        series_named(workspace, "single")


def test_a_series_that_names_one_search_a_thousand_times_is_refused(tmp_path: Path) -> None:
    series = Series.plan("x", [ONE], [1e-3, 2e-3])
    series.save(tmp_path / "x")
    document = json.loads((tmp_path / "x" / SERIES_FILE).read_text())
    document["members"] = document["members"][:1] * 1000
    (tmp_path / "x" / SERIES_FILE).write_text(json.dumps(document))
    with pytest.raises(BadFile, match="searches of different names, but found 999 more than once"):
        Series.load(tmp_path / "x" / SERIES_FILE)
