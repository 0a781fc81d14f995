"""ONNX files as users have them: inputs, tables, external data; bad ones are refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from latkit.artifacts.files import SourceRequest, check_runtime, read_source
from latkit.errors import BadFile, UsageError
from latkit.targets import Target

F32, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def save(path: Path, inputs: dict, nodes: list, weights: dict, **fields: object) -> Path:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info("y", F32, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path, **fields)
    return path


@pytest.fixture
def transformer(tmp_path: Path) -> Path:
    """Ids that index a table of 50 rows through a Cast, a mask, and an image."""
    nodes = [
        helper.make_node("Cast", ["ids"], ["narrow"], to=TensorProto.INT32),
        helper.make_node("Gather", ["table", "narrow"], ["rows"], "look"),
        helper.make_node("Where", ["mask", "rows", "x"], ["y"]),
    ]
    inputs = {
        "ids": (I64, ["batch", "length"]),
        "mask": (BOOL, ["batch", "length", 1]),
        "x": (F32, ["batch", 1, 8]),
        "flags": (I64, [1]),
    }
    return save(tmp_path / "net.onnx", inputs, nodes, {"table": np.ones((50, 8), np.float32)})


def test_inputs_respect_type_range_and_vocabulary(transformer: Path) -> None:
    source = read_source(SourceRequest(transformer, {"ids": (2, 16)}, batch=2))
    assert {name: array.shape for name, array in source.values.items()} == {
        "ids": (2, 16),
        "mask": (2, 16, 1),
        "x": (2, 1, 8),
        "flags": (1,),
    }
    assert source.values["ids"].dtype == np.int64
    assert 1 <= source.values["ids"].min() <= source.values["ids"].max() < 50
    assert len(np.unique(source.values["ids"])) > 5
    assert source.values["mask"].all()
    assert all(np.count_nonzero(array) == array.size for array in source.values.values())
    ids = source.model.inputs[0]
    assert (ids.type, ids.shape, ids.low, ids.high) == (
        "int64",
        (2, 16),
        source.values["ids"].min(),
        source.values["ids"].max(),
    )


def test_the_same_file_gives_the_same_inputs_and_key(transformer: Path) -> None:
    first, again = (read_source(SourceRequest(transformer, {"ids": (1, 16)})) for _ in range(2))
    other = read_source(SourceRequest(transformer, {"ids": (1, 17)}))
    assert first.model.key == again.model.key
    assert other.model.key != first.model.key
    assert other.model.sha256 == first.model.sha256


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({}, "whole sizes of its input 'ids'.*--shape ids=1,128"),
        ({"idz": (1, 2)}, "an input named 'idz'"),
        ({"ids": (1, 2, 3)}, "sizes that its input 'ids' can take"),
        ({"ids": (1, 16), "mask": (1, 17, 1)}, "sizes that its input 'mask' can take"),
        ({"ids": (1, 2**40)}, "inputs of at most 2 GiB"),
    ],
)
def test_shapes_that_do_not_fit(transformer: Path, shapes: dict, expected: str) -> None:
    with pytest.raises(BadFile, match=expected):
        read_source(SourceRequest(transformer, shapes))


def test_a_lone_open_batch_is_the_targets(tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    path = save(tmp_path / "net.onnx", {"x": (F32, ["n", 8])}, [node], {})
    assert read_source(SourceRequest(path, batch=4)).values["x"].shape == (4, 8)
    fixed = save(tmp_path / "fixed.onnx", {"x": (F32, [3, 8])}, [node], {})
    with pytest.raises(BadFile, match="batch, 4"):
        read_source(SourceRequest(fixed, batch=4))


class TestRealInputs:
    def read(self, path: Path, folder: Path, **arrays: np.ndarray) -> dict:
        np.savez(folder / "in.npz", **arrays)
        return dict(read_source(SourceRequest(path, inputs=folder / "in.npz")).values)

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            "ids": np.arange(6).reshape(1, 6),
            "mask": np.ones((1, 6, 1), bool),
            "x": np.ones((1, 1, 8), np.float32),
            "flags": np.zeros(1, np.int64),
        }

    def test_they_are_used_as_they_are(self, transformer: Path, tmp_path: Path) -> None:
        given = self.arrays()
        found = self.read(transformer, tmp_path, **given)
        assert all(np.array_equal(found[name], array) for name, array in given.items())

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"ids": None}, "an array for the input 'ids'"),
            ({"ids": np.ones((1, 6), np.float32)}, "'ids' as int64, but found float32"),
            ({"ids": np.full((1, 6), 50)}, "'ids' from 0 to 49, but found 50"),
            ({"ids": np.full((1, 6), -1)}, "'ids' from 0 to 49"),
            ({"mask": np.ones((1, 5, 1), bool)}, "sizes that its input 'mask' can take"),
            ({"x": np.ones((1, 2, 8), np.float32)}, "sizes that its input 'x' can take"),
            ({"more": np.ones(1)}, "one more, 'more'"),
            ({"x": np.array([[[object()] * 8]])}, "(?i)pickle|allow_pickle|object"),
        ],
    )
    def test_wrong_ones_are_named(self, transformer: Path, tmp_path: Path, change: dict, expected: str) -> None:
        arrays = {name: array for name, array in {**self.arrays(), **change}.items() if array is not None}
        with pytest.raises(BadFile, match=expected):
            self.read(transformer, tmp_path, **arrays)

    def test_no_npz(self, transformer: Path, tmp_path: Path) -> None:
        for name, content in (("a.npz", b"no zip"), ("b.npz", b"")):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(BadFile, match="npz"):
                read_source(SourceRequest(transformer, inputs=tmp_path / name))
        with pytest.raises(BadFile, match="no such file"):
            read_source(SourceRequest(transformer, inputs=tmp_path / "none.npz"))


class TestExternalData:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        node = helper.make_node("MatMul", ["x", "w"], ["y"])
        weight = np.ones((8, 8), np.float32)
        external = {"save_as_external_data": True, "location": "net.data", "size_threshold": 0}
        return save(tmp_path / "net.onnx", {"x": (F32, [1, 8])}, [node], {"w": weight}, **external)

    def test_it_belongs_to_the_model(self, path: Path) -> None:
        before = read_source(SourceRequest(path))
        assert [name for name, _, _ in before.external] == ["net.data"]
        assert before.model.file_bytes == path.stat().st_size + 256
        data = path.with_name("net.data")
        data.write_bytes(bytes([7]) + data.read_bytes()[1:])
        assert read_source(SourceRequest(path)).model.sha256 != before.model.sha256

    def test_missing_or_short(self, path: Path) -> None:
        data = path.with_name("net.data")
        data.write_bytes(data.read_bytes()[:-1])
        with pytest.raises(BadFile, match="256 bytes of external data"):
            read_source(SourceRequest(path))
        data.unlink()
        with pytest.raises(BadFile, match=r"external data .* beside it, but found no such file"):
            read_source(SourceRequest(path))

    @pytest.mark.parametrize("location", ["../net.data", "/etc/passwd", "a/../../b"])
    def test_data_elsewhere_is_refused(self, path: Path, location: str) -> None:
        model = onnx.load(path, load_external_data=False)
        for entry in model.graph.initializer[0].external_data:
            if entry.key == "location":
                entry.value = location
        path.write_bytes(model.SerializeToString())
        with pytest.raises(BadFile, match="external data in the file's folder"):
            read_source(SourceRequest(path))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.onnx", b"no model at all", "no ONNX model|no nodes"),
        ("a.onnx", b"", "no nodes"),
        ("a.onnx", b"\x1c\0\0\0TFL3" + bytes(40), "a TFLite file; its name should end in .tflite"),
        ("a.tflite", b"no model at all", "another format"),
        ("a.pb", b"x", "ending in .onnx or .tflite"),
    ],
)
def test_no_model(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=expected):
        read_source(SourceRequest(tmp_path / name))


def test_an_onnx_file_by_another_name(transformer: Path) -> None:
    with pytest.raises(BadFile, match=r"an ONNX file; its name should end in \.onnx"):
        read_source(SourceRequest(transformer.rename(transformer.with_suffix(".tflite"))))


def test_truncated(transformer: Path) -> None:
    content = transformer.read_bytes()
    for length in range(1, len(content), 37):
        transformer.write_bytes(content[:length])
        with pytest.raises(BadFile):
            read_source(SourceRequest(transformer, {"ids": (1, 4)}))


def test_a_text_input_is_refused(tmp_path: Path) -> None:
    path = save(
        tmp_path / "net.onnx", {"x": (TensorProto.STRING, [1])}, [helper.make_node("Identity", ["x"], ["y"])], {}
    )
    with pytest.raises(BadFile, match="inputs of numbers, but found 'x' of STRING"):
        read_source(SourceRequest(path))


def test_the_runtimes_that_load_a_format_are_named() -> None:
    check_runtime(Path("a.onnx"), Target.parse("pi/onnxruntime"))
    with pytest.raises(UsageError, match=r"loads ONNX files \(pi/onnxruntime\)"):
        check_runtime(Path("a.onnx"), Target.parse("pi/tflite"))
    with pytest.raises(UsageError, match=r"loads TFLite files \(pi/tflite\)"):
        check_runtime(Path("a.tflite"), Target.parse("pi/torch"))
