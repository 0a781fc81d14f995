from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from latkit.artifacts.export import export_module, export_subject
from latkit.errors import ExportError
from latkit.nn import build_module
from latkit.runtimes import RUNTIMES, get_runtime
from latkit.runtimes.onnx.graph import read_graph
from latkit.runtimes.onnx.network import read_network
from latkit.runtimes.onnxruntime import OnnxRuntime
from latkit.search import SearchSettings
from latkit.search.data import DataSplit, Normalize
from latkit.search.tasks.classification import CLASSIFICATION
from latkit.search.training.exports import compare, export
from latkit.spaces import Space


def some_module(space: Space, seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_module(space.decode((0, 2))).eval()


@pytest.mark.slow
def test_files_compute_what_the_module_computes(mini_space: Space, stripes_data: DataSplit, tmp_path: Path) -> None:
    pytest.importorskip("litert_torch")
    module, network = some_module(mini_space, 0), mini_space.decode((0, 2))
    facts, notes = export(tmp_path, network, module, stripes_data, SearchSettings())
    assert facts.keys() == {"onnx", "tflite"}
    for fact in facts.values():
        assert fact.images == len(stripes_data.test.labels) == 32
        assert fact.largest_difference < 1e-5
        assert fact.agreement == 1
    assert notes == ()
    assert {path.name for path in tmp_path.glob("network.*")} == {"network.onnx", "network.tflite"}
    assert read_network(tmp_path / "network.onnx") == network


def test_what_is_measured_is_what_is_exported_but_for_the_weights(
    mini_space: Space, stripes_data: DataSplit, tmp_path: Path
) -> None:
    network = mini_space.decode((0, 2))
    export(tmp_path, network, some_module(mini_space, 0), stripes_data, SearchSettings(export_tflite=False))
    export_subject(get_runtime("onnxruntime"), network, tmp_path / "measured.onnx")
    retained, measured = (
        [(node.op, node.attributes, node.outputs) for node in read_graph(tmp_path / f"{name}.onnx").nodes]
        for name in ("network", "measured")
    )
    assert retained == measured


def test_without_its_package_a_format_is_noted_as_missing(
    mini_space: Space, stripes_data: DataSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    facts, notes = export(
        tmp_path, mini_space.decode((0, 2)), some_module(mini_space, 0), stripes_data, SearchSettings()
    )
    assert facts.keys() == {"onnx"}
    assert notes == ()  # nobody asked for that format
    facts, notes = export(
        tmp_path,
        mini_space.decode((0, 2)),
        some_module(mini_space, 0),
        stripes_data,
        SearchSettings(export_tflite=True),
    )
    assert notes == (
        "network.tflite was not written: litert-torch is not installed; install it with: pip install 'latkit[tflite]'",
    )
    assert {path.name for path in tmp_path.glob("network.*")} == {"network.onnx"}


def test_a_runtime_of_a_plug_in_has_a_file_of_its_own(
    mini_space: Space, stripes_data: DataSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(OnnxRuntime):
        name, suffix = "other", ".onnx2"

    monkeypatch.setitem(RUNTIMES._loaded, "other", Other())
    network = mini_space.decode((0, 2))
    facts, _ = export(tmp_path, network, some_module(mini_space, 0), stripes_data, SearchSettings(export_tflite=False))
    assert facts.keys() == {"onnx", "onnx2"}
    assert read_network(tmp_path / "network.onnx2") == network


def test_a_wrong_export_is_an_error_and_is_not_saved(
    mini_space: Space, stripes_data: DataSplit, tmp_path: Path
) -> None:
    runtime, path = get_runtime("onnxruntime"), tmp_path / "network.onnx"
    images = Normalize(stripes_data, torch.device("cpu"))(stripes_data.test.fetch(torch.arange(8)))
    export_module(runtime, some_module(mini_space, 1), mini_space.input_shape, path)
    with pytest.raises(ExportError, match=r"expected the torch module's scores to within .* 8 images; .* was removed"):
        compare(runtime, path, some_module(mini_space, 0), images, CLASSIFICATION)
    assert not path.exists()
