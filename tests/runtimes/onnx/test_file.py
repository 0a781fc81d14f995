"""ONNX files in practice: with weights elsewhere or nowhere, open sizes, and other defects."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from latkit.errors import BadFile
from latkit.graphs import Graph
from latkit.runtimes.onnx.graph import read_graph
from latkit.runtimes.onnx.network import read_subject
from tests.runtimes.onnx_files import floats, integers, model, node, value, weights


def read(made: onnx.ModelProto, tmp_path: Path, **settings: object) -> Graph:
    onnx.save(made, tmp_path / "net.onnx")
    return read_graph(tmp_path / "net.onnx", **settings)  # type: ignore[arg-type]


def linear() -> onnx.ModelProto:
    return model([node("MatMul", "x w", "c"), node("Relu", "c", "y")], [value("x", [1, 32])], [weights("w", 32, 64)])


def test_weights_that_stand_among_the_values_too(tmp_path: Path) -> None:
    """As torch's current exporter writes them."""
    made = linear()
    made.graph.value_info.append(value("w", [32, 64]))
    assert read(made, tmp_path).key == read(linear(), tmp_path).key


def indexed() -> onnx.ModelProto:
    """A table of biases looked up by an index of whole numbers, as windowed attention has it, and a mask."""
    index = np.random.default_rng(0).integers(0, 90, 2400)
    mask = numpy_helper.from_array(np.random.default_rng(1).random(2400) > 0.5, "mask")
    nodes = [
        node("Where", "mask x zero", "q"),
        node("Gather", "table index", "g"),
        node("Add", "q g", "s"),
        node("Reshape", "s shape", "y"),
    ]
    constants = [weights("table", 90), integers("index", *index), mask, integers("shape", 40, 60), floats("zero", 0)]
    return model(nodes, [value("x", [2400])], constants)


def save_apart(made: onnx.ModelProto, path: Path) -> None:
    onnx.save(made, path, save_as_external_data=True, location="net.data", size_threshold=0)


def test_external_data_is_read_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = read(indexed(), tmp_path)
    (tmp_path / "apart").mkdir()
    save_apart(indexed(), tmp_path / "apart" / "net.onnx")
    for folder in (tmp_path / "apart", tmp_path):
        monkeypatch.chdir(folder)
        assert read_graph(os.path.relpath(tmp_path / "apart" / "net.onnx")).key == inside.key


def test_data_that_is_gone_is_named(tmp_path: Path) -> None:
    save_apart(indexed(), tmp_path / "net.onnx")
    (tmp_path / "net.data").unlink()
    with pytest.raises(BadFile, match=r"expected its tensor 'index' in .*net\.data, but found no such file"):
        read_graph(tmp_path / "net.onnx")


def test_truncated_data_is_reported(tmp_path: Path) -> None:
    save_apart(indexed(), tmp_path / "net.onnx")
    (tmp_path / "net.data").write_bytes((tmp_path / "net.data").read_bytes()[:3000])
    with pytest.raises(BadFile, match=r"19200 bytes of its tensor 'index' .* but found \d+ of them"):
        read_graph(tmp_path / "net.onnx")


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "link", ""])
def test_data_elsewhere_is_not_read(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(20_000))
    (folder / "link").symlink_to(tmp_path / "secret")
    made = indexed()
    index = next(tensor for tensor in made.graph.initializer if tensor.name == "index")
    index.ClearField("raw_data")
    index.data_location = TensorProto.EXTERNAL
    index.external_data.add(key="location", value=location)
    with pytest.raises(BadFile, match=r"data in files beside it|no regular file|Is a directory"):
        read(made, folder)


def test_a_pipe_for_data_is_refused_at_once(tmp_path: Path) -> None:
    save_apart(indexed(), tmp_path / "net.onnx")
    (tmp_path / "net.data").unlink()
    os.mkfifo(tmp_path / "net.data")
    with pytest.raises(BadFile, match="no regular file"):
        read_graph(tmp_path / "net.onnx")


def test_a_structure_without_weights(tmp_path: Path) -> None:
    def made() -> onnx.ModelProto:
        return model(
            [node("Conv", "x w b", "c"), node("Relu", "c", "y")],
            [value("x", [1, 3, 8, 8])],
            [weights("w", 16, 3, 3, 3), weights("b", 16)],
        )

    stripped = made()
    for tensor in stripped.graph.initializer:
        tensor.ClearField("raw_data")
    assert read(stripped, tmp_path).key == read(made(), tmp_path).key


def test_what_decides_a_shape_is_needed(tmp_path: Path) -> None:
    made = model([node("Reshape", "x s", "y")], [value("x", [4, 4])], [integers("s", 2, 8)])
    made.graph.initializer[0].ClearField("raw_data")
    with pytest.raises(BadFile, match="expected values in its tensor 's', which may decide a shape, but found none"):
        read(made, tmp_path)


def test_operators_of_others_are_named(tmp_path: Path) -> None:
    made = model([helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml")], [value("x", [1, 4])])
    with pytest.raises(BadFile, match=r"expected operators of ONNX's own, but found ZipMap of ai\.onnx\.ml"):
        read(made, tmp_path)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("Add", "x nope", "y")], "Add of 'nope', which nothing gives"),
        ([node("Relu", "x", "z")], "'y', which nothing gives"),
        ([node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b", "y")], "nodes that wait for each other"),
        ([node("Add", "x w", "y")], "shapes or types that do not fit"),
        ([node("Unknown", "x", "y")], "Unknown"),
    ],
)
def test_broken_files_say_why_and_print_nothing(
    nodes: list[onnx.NodeProto], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadFile, match=message) as found:
        read(model(nodes, [value("x", [1, 4])], [weights("w", 3)]), tmp_path)
    assert "\n" not in str(found.value)
    assert "[ONNXRuntimeError]" not in str(found.value), "its own words are the error's detail"
    assert capfd.readouterr().out == ""


def test_a_file_that_brings_onnxruntime_down_brings_nothing_else_down(tmp_path: Path) -> None:
    """Sizes that overflow: onnxruntime 1.31 aborts its process."""
    wild = integers("p", 0, 0, 4173044788608409800, -7103762637637259648, 0, 0, 752238779454684571, 363426133295091068)
    nodes = [node("Pad", "x p", "q"), node("Slice", "q a b c", "y")]
    constants = [wild, integers("a", 0, 0), integers("b", 4, 4), integers("c", 2, 3)]
    made = model(nodes, [value("x", [1, 8, 32, 32])], constants)
    with pytest.raises(BadFile, match="but found"):
        read(made, tmp_path)
    assert read(linear(), tmp_path).outputs, "the next file is read as ever"


def test_a_batch_left_open_is_the_targets(tmp_path: Path) -> None:
    made = model([node("Relu", "x", "y")], [value("x", ["n", 16, 200])])
    assert read(made, tmp_path, batch=8).inputs[0].shape == (8, 16, 200)
    fixed = model([node("Relu", "x", "y")], [value("x", [1, 16, 200])])
    with pytest.raises(BadFile, match=r"an input of the target's batch, 8, but found 'x' of 1x16x200"):
        read(fixed, tmp_path, batch=8)
    sequence = model([node("Relu", "x", "y")], [value("x", [20, 8, 200])])
    assert read(sequence, tmp_path, batch=8).inputs[0].shape == (20, 8, 200)


def test_a_network_that_fixes_its_batch_inside(tmp_path: Path) -> None:
    made = model([node("Reshape", "x s", "y")], [value("x", ["n", 4, 4])], [integers("s", 1, 16)])
    assert read(made, tmp_path).outputs
    with pytest.raises(BadFile, match=r"inputs of these sizes, but found Reshape|do not fit"):
        read(made, tmp_path, batch=8)


@pytest.mark.parametrize("shape", [(1, 64, 64, 3), (1, 3, 64), (2, 3, 64, 64)])
def test_sizes_that_the_file_fixes_stay(shape: tuple[int, ...], tmp_path: Path) -> None:
    made = model([node("Conv", "x w", "y")], [value("x", [1, 3, "h", "w"])], [weights("w", 4, 3, 3, 3)])
    with pytest.raises(BadFile, match=r"sizes that its input 'x' can take, 1x3x\?x\?, but found"):
        read(made, tmp_path, shapes={"x": shape})
    assert read(made, tmp_path, shapes={"x": (1, 3, 64, 64)}).input_names == ("x",)


def test_a_file_is_recognized_by_its_content(tmp_path: Path) -> None:
    onnx.save(linear(), tmp_path / "net.onnx")
    (tmp_path / "net.onnx").rename(tmp_path / "net.model")
    assert isinstance(read_subject(tmp_path / "net.model"), Graph)
    (tmp_path / "other.model").write_text('{"format": 1}')
    with pytest.raises(BadFile, match="a network as JSON"):
        read_subject(tmp_path / "other.model")
