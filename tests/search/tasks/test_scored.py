"""Records with a score: stored under the name of the task's metric, as earlier versions stored the accuracy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from torch import Tensor

from latkit._io import load_json
from latkit.errors import BadFile
from latkit.search.records.base import Record, load_record
from latkit.search.tasks import TASKS, Metric, Scored
from latkit.search.tasks.classification import Classification


class Overlap(Metric):
    name, title, highest, unit, scale = "overlap", "overlap", 10.0, "", 1.0
    larger_is_better = False

    def counts(self, outputs: Tensor, targets: Tensor) -> Tensor:
        raise NotImplementedError

    def value(self, counts: Tensor, images: int) -> float:
        raise NotImplementedError


class Other(Classification):
    name = "other"
    metric = Overlap()


class Judged(Scored, Record):
    name: str
    score: float


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS._loaded, "other", Other())


def test_a_record_of_an_earlier_version_is_read_and_written_alike(tmp_path: Path) -> None:
    stored = {"accuracy": 0.5, "name": "a"}
    (tmp_path / "old.json").write_text(json.dumps(stored))
    found = load_record(Judged, tmp_path / "old.json")
    assert (found.score, found.task) == (0.5, "classification")
    found.save(tmp_path / "new.json")
    assert load_json(tmp_path / "new.json", "a record") == stored


def test_another_task_names_its_own_metric(other: None) -> None:
    record = Judged(task="other", score=7.25, name="a")
    assert record.model_dump() == {"task": "other", "overlap": 7.25, "name": "a"}
    assert Judged.model_validate_json(record.model_dump_json()) == record
    assert record.metric.format(record.score) == "7.2"
    assert record.metric.axis == "overlap"
    assert record.metric.rank(1.0) > record.metric.rank(2.0)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"name": "a"}, "no accuracy"),
        ({"name": "a", "accuracy": 1.5}, "expected accuracy from 0 to 1, but found 1.5"),
        ({"name": "a", "accuracy": -0.1}, "expected accuracy from 0 to 1, but found -0.1"),
        ({"name": "a", "accuracy": "high"}, "valid number"),
        ({"name": "a", "accuracy": 0.5, "task": "divination"}, "unknown task 'divination'; known tasks: classif"),
        ({"name": "a", "accuracy": 0.5, "task": []}, "unknown task"),
        ({"name": "a", "accuracy": 0.5, "overlap": 0.5}, "overlap: Extra inputs"),
    ],
)
def test_a_wrong_score_is_refused(stored: dict[str, object], message: str, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(json.dumps(stored))
    with pytest.raises(BadFile, match=message):
        load_record(Judged, tmp_path / "record.json")
