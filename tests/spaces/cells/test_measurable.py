"""Networks of cells are exported, and compute what torch computes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from latkit.artifacts.export import check_export, export_subject
from latkit.artifacts.weights import seeded_module
from latkit.nn import example_input
from latkit.ops import Network
from latkit.runtimes import get_runtime
from tests.spaces.cells import test_edge_cell, test_vertex_cell

no_tflite = pytest.mark.skipif(
    importlib.util.find_spec("litert_torch") is None, reason="litert-torch is not installed (extra: tflite)"
)
EDGES, VERTICES = test_edge_cell.small(), test_vertex_cell.small()
FAN = [[0] * 6 for _ in range(6)]
for _one, _other in ((0, 1), (0, 2), (0, 5), (1, 2), (1, 3), (1, 5), (2, 5), (3, 5)):
    FAN[_one][_other] = 1
NETWORKS = {
    "every op on edges": EDGES.decode((2, 3, 4, 1, 3, 1)),
    "one output twice": EDGES.decode((1, 1, 1, 1, 1, 1)),
    "zeros": EDGES.decode((2, 3, 4, 0, 0, 0)),
    "every op on vertices, cut": VERTICES.decode(VERTICES.encode(FAN, (0, 1, 2, 0))),
}


@pytest.mark.parametrize(
    "runtime_name", ["onnxruntime", "torch", pytest.param("tflite", marks=[no_tflite, pytest.mark.slow])]
)
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_a_network_of_cells_computes_what_torch_computes(network: Network, runtime_name: str, tmp_path: Path) -> None:
    runtime = get_runtime(runtime_name)
    artifact = export_subject(runtime, network, tmp_path / f"model{runtime.suffix}")
    module = seeded_module(network)
    with torch.no_grad():
        largest = float(module(example_input(network.input_shape)).abs().max())
    assert largest > 0.01
    assert check_export(artifact, module, network.input_shape) < 1e-5 * max(largest, 1)


def test_the_networks_have_every_op() -> None:
    kinds = {op.kind for network in NETWORKS.values() for op in network.ops}
    assert kinds == {"conv", "activation", "pool", "add", "concat", "slice", "zero", "batch_norm", "linear"}
