"""A small real workspace: this machine measured, a model fitted and validated, a search run."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from latkit.devices import trust
from latkit.evaluation.cross_table import Cell, CrossTable, Row
from latkit.evaluation.validation import fit_networks, validate
from latkit.layout.series import Member, Series
from latkit.search import DataSplit, load_data
from latkit.search.data import ArrayImages
from latkit.spaces import Space, load_space_file
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.timing import TimingPlan
from latkit.workspace import MeasureOptions, Workspace, fit_workloads
from latkit.workspace.requests import SearchRequest
from tests.builders import middle_path_s
from tests.conftest import Register, made_once

TARGET = Target("here", "onnxruntime")

SPACE = """
name = "pocket"
input_shape = [1, 8, 8]

[[layers]]
name = "stem"
candidates = [{ kind = "conv", out_channels = 8 }]

[[layers]]
name = "body"
repeat = 3
candidates = [{ kind = "mbconv", out_channels = 8, kernel = [3, 5], expansion = [1, 3] }, { kind = "skip" }]

[[layers]]
name = "pool"
candidates = [{ kind = "pool" }]

[[layers]]
name = "classifier"
candidates = [{ kind = "linear", out_features = 10 }]
"""


@pytest.fixture(scope="session")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    path = tmp_path_factory.mktemp("space") / "pocket.toml"
    path.write_text(SPACE)
    return load_space_file(path)


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, space: Space, register: Register) -> Workspace:
    """To be read, not written: the tests share it, and the agent's folder of this machine."""
    folder = made_once(tmp_path_factory, "reported", lambda folder: make_workspace(folder, space, register))
    copy = Workspace(shutil.copytree(folder / "workspace", tmp_path_factory.mktemp("reported") / "workspace"))
    trust(copy.device("here"))
    return copy


def make_workspace(folder: Path, space: Space, register: Register) -> None:
    """Measure, fit, validate and search."""
    made = Workspace.init(folder / "workspace")
    register(made.devices_dir, folder / "agent")
    with made.collection(TARGET, MeasureOptions(TimingPlan(rounds=2, round_s=0.02, extra_rounds=0))) as collection:
        collection.run([*fit_workloads(space), *fit_networks(space, 3)])
        model = made.fit_model(TARGET, space)
        made.fit_model(TARGET, space, "xgboost")
        validate(collection, model, space, 4).save(made.validation_path(TARGET, space, "lookup"))
    table = LatencyTable(space, model)
    request = SearchRequest(
        targets=(TARGET,),
        space=space,
        data="digits",
        latencies_s=(middle_path_s(table),),
        name="digits",
        settings={"warmup_epochs": 1, "epochs": 2, "training_epochs": 1, "workers": 0, "export_tflite": False},
        quick=True,
    )
    made.search(request, data=few_images())
    unfinished = made.root / "search" / "unfinished"
    unfinished.mkdir()
    (unfinished / "recipe.json").write_bytes((made.root / "search" / "digits" / "recipe.json").read_bytes())


def few_images() -> DataSplit:
    data = load_data("digits", 8, 1)
    assert isinstance(data.train, ArrayImages)
    train = ArrayImages(data.train.images[:256], data.train.labels[:256])
    return dataclasses.replace(data, train=train)


@pytest.fixture
def empty(tmp_path: Path) -> Workspace:
    return Workspace.init(tmp_path / "empty")


HERE, THERE = "here/onnxruntime-t1-fp32-b1", "there/tflite-t1-fp32-b1"


def row(name: str, target: str, accuracy: float | None, here: Cell, there: Cell) -> Row:
    return Row(
        name=name,
        kind="derived" if target else "zoo",
        target=target,
        target_latency_ms=1.0,
        score=accuracy,
        input_shape=(1, 8, 8),
        macs=200_000,
        parameters=3000,
        key=name,
        cells={HERE: here, THERE: there},
    )


def cross_table_of(*rows: Row) -> CrossTable:
    return CrossTable(name="both", targets=(HERE, THERE), rows=rows)


def cell(milliseconds: float) -> Cell:
    return Cell(predicted_ms=1.1 * milliseconds, first_ms=0.99 * milliseconds, second_ms=1.01 * milliseconds)


@pytest.fixture
def series(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the workspace in which the search has a counterpart, for another target."""
    shutil.copytree(workspace.root, tmp_path / "copy")
    copy = Workspace(tmp_path / "copy")
    shutil.copytree(copy.search_dir("digits"), copy.search_dir("sister"))
    measured = json.loads((copy.search_dir("sister") / "measured.json").read_text())
    (copy.search_dir("sister") / "measured.json").write_text(json.dumps(measured | {"target": THERE}))
    baseline = {
        "name": "random-1",
        "kind": "random",
        "accuracy": 0.1,
        "predicted_latency_s": 1e-4,
        "macs": 1,
        "parameters": 2,
        "architecture": [0, 0, 0],
        "seconds": {},
    }
    (copy.search_dir("digits") / "baselines.json").write_text(
        json.dumps({"format": "latkit-baselines-1", "records": [baseline]})
    )
    members = [
        Member(name=n, target=t, target_latency_s=1e-3)
        for n, t in (("digits", HERE), ("sister", THERE), ("third", HERE))
    ]
    Series(name="both", members=tuple(members)).save(copy.search_dir("both"))
    absent = Cell(reason="the device is <gone>")
    cross_table_of(
        row("digits", HERE, 0.9, cell(1), cell(3)),
        row("sister", THERE, 0.8, cell(2), cell(2)),
        row("mobilenet", "", None, cell(5), absent),
    ).save(copy.search_dir("both"))
    return copy
