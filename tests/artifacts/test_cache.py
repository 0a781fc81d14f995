"""The cache: exported once, and always verified."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from latkit.artifacts import cache as cache_module
from latkit.artifacts.cache import ArtifactCache, default_folder
from latkit.errors import ExportError, UsageError
from latkit.graphs import Constant, Graph, Node, Tensor
from latkit.ops import OVERHEAD_PROBE, Network, Op, OpKind, get_kind, make_op
from latkit.runtimes.onnxruntime import OnnxRuntime
from latkit.targets import Target
from latkit.timing import REFERENCE

TARGET = Target.parse("pi4/onnxruntime")
NETWORK = Network(REFERENCE.ops[1:], "not prebuilt")


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths that onnxruntime's exporter was called with."""
    paths: list[Path] = []
    export = OnnxRuntime.export

    def counted(self: OnnxRuntime, module: object, examples: object, path: Path) -> None:
        paths.append(path)
        export(self, module, examples, path)  # type: ignore[arg-type]

    monkeypatch.setattr(OnnxRuntime, "export", counted)
    return paths


def test_a_second_request_is_answered_from_the_folder(tmp_path: Path, exports: list[Path]) -> None:
    first = ArtifactCache(tmp_path).artifact(OVERHEAD_PROBE, TARGET)
    again = ArtifactCache(tmp_path).artifact(OVERHEAD_PROBE, TARGET)
    assert again == first
    assert len(exports) == 1
    assert first.sha256 == hashlib.sha256(first.path.read_bytes()).hexdigest()
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".onnx"]


@pytest.mark.parametrize("damage", ["flipped", "truncated", "deleted"])
def test_a_damaged_file_is_exported_again(tmp_path: Path, exports: list[Path], damage: str) -> None:
    first = ArtifactCache(tmp_path).artifact(OVERHEAD_PROBE, TARGET)
    good = first.path.read_bytes()
    if damage == "deleted":
        first.path.unlink()
    else:
        first.path.write_bytes(good[:-1] + (bytes([good[-1] ^ 1]) if damage == "flipped" else b""))
    assert ArtifactCache(tmp_path).artifact(OVERHEAD_PROBE, TARGET) == first
    assert first.path.read_bytes() == good
    assert len(exports) == 2


@pytest.mark.parametrize("text", ["", "{}", "[" * 9000, '{"format": "latkit-artifact-1"}', "\xff"])
def test_a_damaged_sidecar_is_written_again(tmp_path: Path, exports: list[Path], text: str) -> None:
    first = ArtifactCache(tmp_path).artifact(OVERHEAD_PROBE, TARGET)
    sidecar = first.path.with_suffix(".json")
    sidecar.write_text(text, encoding="latin-1")
    assert ArtifactCache(tmp_path).artifact(OVERHEAD_PROBE, TARGET) == first
    assert json.loads(sidecar.read_text())["sha256"] == first.sha256
    assert len(exports) == 2


@pytest.mark.parametrize("suffix", [".json", ".onnx"])
def test_a_fifo_in_the_cache_is_not_waited_for(tmp_path: Path, exports: list[Path], suffix: str) -> None:
    first = ArtifactCache(tmp_path).artifact(OVERHEAD_PROBE, TARGET)
    place = first.path.with_suffix(suffix)
    place.unlink()
    os.mkfifo(place)
    assert ArtifactCache(tmp_path).artifact(OVERHEAD_PROBE, TARGET) == first
    assert len(exports) == 2
    assert place.is_file()


def test_a_sidecar_that_names_another_exporter_is_not_believed(tmp_path: Path, exports: list[Path]) -> None:
    first = ArtifactCache(tmp_path).artifact(OVERHEAD_PROBE, TARGET)
    sidecar = first.path.with_suffix(".json")
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "exporter": "another"}))
    assert ArtifactCache(tmp_path).artifact(OVERHEAD_PROBE, TARGET) == first
    assert len(exports) == 2


def test_what_changes_the_file_has_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ArtifactCache(tmp_path)
    paths = [cache.artifact(OVERHEAD_PROBE, Target.parse(f"pi4/{rest}")).path for rest in ("onnxruntime", "torch")]
    paths.append(cache.artifact(OVERHEAD_PROBE, Target.parse("pi4/onnxruntime-b2")).path)
    paths.append(cache.artifact(NETWORK, TARGET).path)
    monkeypatch.setattr(OnnxRuntime, "exporter", "torch.onnx 99")
    paths.append(cache.artifact(OVERHEAD_PROBE, TARGET).path)
    monkeypatch.setattr(cache_module, "RECIPE", 0)
    paths.append(cache.artifact(OVERHEAD_PROBE, TARGET).path)
    assert len(set(paths)) == 6


def test_device_threads_names_and_skips_do_not_change_the_file(tmp_path: Path, exports: list[Path]) -> None:
    cache = ArtifactCache(tmp_path)
    skip = make_op("skip", NETWORK.input_shape)
    cache.artifact(NETWORK, TARGET)
    cache.artifact(Network((skip, *NETWORK.ops), "other"), Target.parse("phone/onnxruntime-t4"))
    assert len(exports) == 1


def test_graphs_of_one_key_and_other_scales_have_files_of_their_own(tmp_path: Path) -> None:
    def softmax(scale: float, name: str = "") -> Graph:
        given, made = Tensor((1, 4, 8), "uint8"), Tensor((1, 4, 8))
        constants = tuple(
            Constant(Tensor((), kind), example=(value,)) for kind, value in (("float32", scale), ("uint8", 0))
        )
        nodes = (Node("DequantizeLinear", (0, 1, 2), (made,)), Node("Softmax", (3,), (made,)))
        return Graph((given,), constants, nodes, (4,), name=name)

    first, other = softmax(0.5), softmax(0.25)
    assert first.key == other.key
    cache = ArtifactCache(tmp_path)
    paths = [cache.artifact(graph, TARGET).path for graph in (first, other, softmax(0.5, "named"))]
    assert paths[0] == paths[2] != paths[1]
    assert [
        {float(numpy_helper.to_array(constant)) for constant in onnx.load(path).graph.initializer} for path in paths[:2]
    ] == [{0.5, 0.0}, {0.25, 0.0}]


def test_the_bytes_of_an_onnx_file_are_the_same_each_time(tmp_path: Path) -> None:
    one, other = (ArtifactCache(tmp_path / name).artifact(NETWORK, TARGET) for name in ("one", "other"))
    assert one.sha256 == other.sha256


def test_what_fails_is_named_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_module(self: OpKind, op: Op) -> None:
        raise UsageError("no module for it")

    monkeypatch.setattr(type(get_kind("activation")), "module", no_module)
    with pytest.raises(ExportError, match="cannot build activation relu 1x1x1: no module for it"):
        ArtifactCache(tmp_path).artifact(OVERHEAD_PROBE, TARGET)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_the_users_or_what_latkit_cache_names() -> None:
    assert default_folder({"LATKIT_CACHE": "/elsewhere"}) == Path("/elsewhere/artifacts")
    assert default_folder({}) == Path.home() / ".cache/latkit/artifacts"
    assert ArtifactCache().folder == default_folder()
