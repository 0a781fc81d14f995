"""The entries of a cross table: derived networks, MobileNetV2 as their baseline, the zoo."""

from __future__ import annotations

from pathlib import Path

import pytest

from latkit.errors import BadFile, UsageError
from latkit.evaluation.notes import measured_notes
from latkit.evaluation.validation import MeasuredNetwork, NetworkResult
from latkit.layout.series import Member, Series
from latkit.search import SearchResult, SearchSettings
from latkit.search.baselines import BASELINES_FILE, BaselineRecord, Baselines, ladder
from latkit.search.records.base import load_record
from latkit.search.records.result import Recipe
from latkit.spaces import proxyless_tiny
from latkit.targets import Target
from latkit.workspace import Workspace
from latkit.workspace.entries import all_entries, derived_entries, target_of, targets_of
from tests.workspace.test_cross_table import DIGITS

SPACE = proxyless_tiny(resolution=16, width=0.5)
TARGET = "board/tflite-t1-fp32-b1"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """One finished search, as its records describe it; its series holds its target."""
    made = Workspace.init(tmp_path / "workspace")
    folder, network = made.search_dir("found"), SPACE.decode([0] * 9)
    folder.mkdir()
    SPACE.save(folder / "space.json")
    network.save(folder / "architecture.json")
    seconds = dict.fromkeys(
        ("target_latency_s", "predicted_latency_s", "expected_latency_s", "strongest_latency_s"), 1e-3
    )
    SearchResult(
        name="found",
        space=SPACE.name,
        swaps=0,
        score=0.5,
        macs=network.macs,
        parameters=network.parameters,
        architecture=(0,) * 9,
        ops=(),
        seconds={},
        notes=(),
        files={},
        **seconds,
    ).save(folder / "result.json")
    Recipe(
        space=SPACE.name,
        space_key=SPACE.key,
        table_sha256="",
        target_latency_s=1e-3,
        data=DIGITS,
        settings=SearchSettings(),
        versions={},
    ).save(folder / "recipe.json")
    Series(name="all", members=(Member(name="found", target=TARGET, target_latency_s=1e-3),)).save(
        made.search_dir("all")
    )
    return made


def test_zoo_networks_are_listed_with_derived_ones(workspace: Workspace) -> None:
    found, made = all_entries(workspace, ["found"])
    assert (found.name, found.kind, found.target, found.score) == ("found", "derived", TARGET, 0.5)
    assert found.row({}).data == DIGITS
    assert (made.name, made.kind, made.score) == ("mobilenetv2-1.0-16px", "zoo", None)
    assert made.network.input_shape == found.network.input_shape
    published = all_entries(workspace, ["found"], published=True)
    assert {entry.network.input_shape for entry in published[1:-1]} == {(3, 224, 224)}
    assert {"mobilenetv2-1.4", "proxyless-gpu"} <= {entry.name for entry in published}


def test_a_mobilenet_trained_along_with_a_search_has_its_accuracy(workspace: Workspace) -> None:
    narrow = next(ladder(SPACE))
    record = BaselineRecord(
        name=narrow.name,
        kind="mobilenetv2",
        score=0.4,
        predicted_latency_s=1e-3,
        macs=narrow.macs,
        parameters=narrow.parameters,
        architecture=None,
        seconds={},
    )
    Baselines(records=(record,)).save(workspace.search_dir("found") / BASELINES_FILE)
    trained = all_entries(workspace, ["found"])[1]
    assert (trained.name, trained.kind, trained.score, trained.target) == (narrow.name, "baseline", 0.4, "")
    assert trained.network == narrow
    assert trained.data == DIGITS


def test_targets_are_identified_by_measurement_or_series(workspace: Workspace) -> None:
    assert targets_of(derived_entries(workspace, ["found"])) == [Target.parse(TARGET)]
    assert target_of(workspace, "other") is None
    with pytest.raises(UsageError, match="expected a finished search, but other is not"):
        derived_entries(workspace, ["other"])
    (workspace.search_dir("found") / "measured.json").write_text("{}")
    with pytest.raises(BadFile, match="a measured network"):
        target_of(workspace, "found")


@pytest.mark.parametrize(
    ("first_ms", "second_ms", "expected"),
    [
        (1.0, 1.04, []),
        (1.07, 1.07, ["measured 1.07 ms: +7.0% from the prediction, +7.0% from the target; the network"]),
        (0.95, 1.05, ["measured twice, it took 0.95 ms and 1.05 ms: the device was not idle"]),
    ],
)
def test_what_is_noted_of_the_measurement(
    workspace: Workspace, first_ms: float, second_ms: float, expected: list[str]
) -> None:
    result = load_record(SearchResult, workspace.search_dir("found") / "result.json")
    network = NetworkResult(
        name="found",
        key="",
        architecture=[],
        predicted_ms=1.0,
        low_ms=1.0,
        high_ms=1.0,
        first_ms=first_ms,
        second_ms=second_ms,
    )
    measured = MeasuredNetwork(target=TARGET, model="lookup", emulated=False, network=network)
    notes = measured_notes(result, measured)
    assert [note[: len(start)] for note, start in zip(notes, expected, strict=True)] == expected
