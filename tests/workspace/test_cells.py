"""Networks of cell spaces are measured and predicted as any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from latkit.ops import OVERHEAD_PROBE, Network
from latkit.spaces.cells.edge_cell import EdgeCellSpace
from latkit.spaces.cells.vertex_cell import VertexCellSpace
from latkit.targets import Target
from latkit.timing import TimingPlan
from latkit.workspace import MeasureOptions, Workspace
from tests.conftest import Register

PLAN = TimingPlan(rounds=2, round_s=0.02, extra_rounds=0)
EDGES = EdgeCellSpace("edges", resolution=8, channels=2, cells=1, classes=3).decode((2, 3, 4, 1, 3, 1), "edges")
VERTICES = VertexCellSpace("vertices", 4, resolution=8, channels=8, cells=1, classes=3).decode(
    (1, 1, 1, 1, 1, 1, 0, 2), "vertices"
)


@pytest.mark.slow
@pytest.mark.parametrize("network", [EDGES, VERTICES], ids=lambda network: network.name)
def test_a_network_of_cells_is_measured_and_predicted(network: Network, tmp_path: Path, register: Register) -> None:
    workspace, target = Workspace.init(tmp_path), Target("here", "onnxruntime")
    register(workspace.devices_dir, tmp_path / "agent")
    ops = list(dict.fromkeys(network.ops))
    with workspace.collection(target, MeasureOptions(PLAN)) as collection:
        summary = collection.run([OVERHEAD_PROBE, *ops, network])
    assert (summary.failed, summary.finished) == ({}, True)
    model = workspace.fit_model(target, kind="lookup")
    summed = sum(model.layer_seconds(network.ops)) + model.base_seconds()
    assert model.predict(network).seconds == pytest.approx(summed)
    with workspace.store(target) as store:
        assert network in {one.workload for one in store.measurements()}
