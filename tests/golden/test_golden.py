"""A workspace that version 0.1 wrote is read by this one, and gives the same figures and the same JSON fields."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from latkit.runtimes.onnx.graph import read_graph
from latkit.search.records.checkpoint import load_checkpoint
from latkit.targets import Target
from latkit.workspace import Workspace
from tests.golden.commands import COMMANDS, FILES
from tests.golden.fields import command_of, commands, faults, golden_fields

HERE = Path(__file__).parent
DOCUMENTS = HERE / "documents-0.1"
FIGURE = 1e-9
"""Relative; figures are recomputed from the same samples."""


def same(found: object, golden: object, where: str = "") -> None:
    """Fail where a field of the golden document is missing or has another value. New fields are welcome."""
    if isinstance(golden, dict):
        assert isinstance(found, dict), where
        for name, value in golden.items():
            assert name in found, f"{where}.{name} is missing"
            same(found[name], value, f"{where}.{name}")
    elif isinstance(golden, list):
        assert isinstance(found, list), where
        assert len(found) == len(golden), where
        for number, value in enumerate(golden):
            same(found[number], value, f"{where}[{number}]")
    elif isinstance(golden, float):
        assert found == pytest.approx(golden, rel=FIGURE), where
    else:
        assert found == golden, where


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(HERE / "workspace-0.1", tmp_path_factory.mktemp("golden") / "workspace")


def test_every_command_gives_the_document_of_version_0_1(copy: Path, latkit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copy)
    for name, argv in COMMANDS.items():
        code, out, err = latkit(*argv, "--json")
        assert code == 0, f"{name}: {err}"
        same(json.loads(out), json.loads((DOCUMENTS / f"{name}.json").read_text()), name)
    for name in FILES:
        same(
            json.loads((copy / name).read_text()), json.loads((DOCUMENTS / f"file-{Path(name).name}").read_text()), name
        )


def test_every_command_has_a_golden_document() -> None:
    assert set(commands()) == {command_of(argv) for argv in COMMANDS.values()} | set(golden_fields())


def test_the_document_of_the_demo_consists_of_those_of_its_steps() -> None:
    """The demo takes minutes, so that no test runs it."""
    (demo,), (validation,), searches = (golden_fields()[name] for name in ("demo", "validate", "search"))
    inside = {name: {field for field in demo if field.startswith(f"{name}.")} for name in ("validation", "search")}
    assert inside["validation"] == {f"validation.{field}" for field in validation if field and "results" not in field}
    assert inside["search"] in [{f"search.{field}" for field in one if field} for one in searches]
    assert set(demo) == {"", "report", *inside, *inside["validation"], *inside["search"]}


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"a": 1, "b": [{"c": "x"}, {"c": None}], "d": 2}, []),
        ({"a": 1, "b": []}, []),
        ({"a": None, "b": None}, []),
        ({"b": [{"c": "x"}, {}]}, ["a is missing", "b[].c is missing"]),
        ({"a": "1", "b": {}}, ["a is text, not number", "b is object, not list"]),
    ],
)
def test_a_missing_field_and_another_type_are_faults(document: object, fault: list[str]) -> None:
    golden = {"": "object", "a": "number", "b": "list", "b[]": "object", "b[].c": "text"}
    assert faults(document, golden) == fault


def test_every_measurement_is_read(copy: Path) -> None:
    measurements = Workspace(copy).measurements(Target.parse("here/onnxruntime"))
    assert len(measurements) == json.loads((DOCUMENTS / "measurements-export.json").read_text())["measurements"]


def test_a_model_file_is_found_under_the_key_that_it_was_measured_under(copy: Path) -> None:
    measured = {m.workload.key for m in Workspace(copy).measurements(Target.parse("here/onnxruntime"))}
    assert read_graph(copy / "small.onnx").key in measured


@pytest.mark.parametrize("name", ["found/checkpoint.pt", "found/warmup.pt", "interrupted/checkpoint.pt"])
def test_checkpoints_are_read(copy: Path, name: str) -> None:
    assert load_checkpoint(copy / "search" / name)["format"] == "latkit-checkpoint-1"
