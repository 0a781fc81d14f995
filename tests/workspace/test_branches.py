"""A network with branches and joins, from its file to figures: exported, measured, stored, predicted."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from latkit.ops import OVERHEAD_PROBE, Network, Op
from latkit.runtimes.onnx.network import embed_network, read_subject
from latkit.targets import Target
from latkit.timing import TimingPlan
from latkit.workspace import MeasureOptions, Workspace
from tests.builders import CELL
from tests.conftest import Register

OPS: list[Op] = [op for op in CELL.ops if not op.is_identity]
PLAN = TimingPlan(rounds=2, round_s=0.02, extra_rounds=0)
no_tflite = pytest.mark.skipif(importlib.util.find_spec("litert_torch") is None, reason="no litert-torch")


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnxruntime", pytest.param("tflite", marks=no_tflite)])
def test_a_network_with_branches_is_measured_and_predicted(runtime: str, tmp_path: Path, register: Register) -> None:
    workspace, target = Workspace.init(tmp_path), Target("here", runtime)
    register(workspace.devices_dir, tmp_path / "agent")
    CELL.save(tmp_path / "cell.json")
    network = read_subject(tmp_path / "cell.json")
    assert isinstance(network, Network)
    with workspace.collection(target, MeasureOptions(PLAN)) as collection:
        summary = collection.run([OVERHEAD_PROBE, *OPS, network])
    assert (summary.failed, summary.finished) == ({}, True)
    with workspace.store(target) as store:
        stored = {one.workload: one for one in store.measurements()}
    assert set(stored) == {OVERHEAD_PROBE, *OPS, CELL}
    assert all(one_round.wall_ns for one_round in stored[CELL].rounds)
    for kind in ("lookup", "xgboost"):
        model = workspace.fit_model(target, kind=kind)
        summed = sum(model.layer_seconds(OPS)) + model.base_seconds()
        assert model.predict(CELL).seconds == pytest.approx(summed)
        assert model.seconds_of(stored[CELL]) > 0


def test_an_exported_file_carries_the_branches(tmp_path: Path) -> None:
    artifact = Workspace.init(tmp_path).exporter(Target("here", "onnxruntime"))(CELL)
    copy = tmp_path / "cell.onnx"
    copy.write_bytes(artifact.path.read_bytes())
    embed_network(copy, CELL)
    assert read_subject(copy) == CELL
