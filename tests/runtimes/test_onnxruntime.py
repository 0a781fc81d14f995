"""ONNX files: the recorded opset, and names that every agent can rely on."""

from __future__ import annotations

from pathlib import Path

import onnx

from latkit.artifacts.export import export_subject
from latkit.runtimes import get_runtime
from latkit.timing import REFERENCE


def test_the_file_has_the_recorded_opset_fixed_shapes_and_known_names(tmp_path: Path) -> None:
    artifact = export_subject(get_runtime("onnxruntime"), REFERENCE, tmp_path / "a.onnx", batch=2)
    model = onnx.load(artifact.path)
    assert [entry.version for entry in model.opset_import] == [artifact.opset] == [17]
    (entering,), (leaving,) = model.graph.input, model.graph.output
    assert (entering.name, leaving.name) == ("input", "output")
    assert [size.dim_value for size in entering.type.tensor_type.shape.dim] == [2, 16, 32, 32]
    assert [size.dim_value for size in leaving.type.tensor_type.shape.dim] == [2, 32]
