"""TFLite files as graphs, and graphs as TFLite files."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latkit.artifacts.files.source import SourceRequest
from latkit.artifacts.files.tflite_file import read_tflite
from latkit.errors import BadFile, ExportError
from latkit.graphs import Constant, Graph, Node, Quantization, Tensor, networks, partition_graph
from latkit.graphs.def_use import DefUse
from latkit.graphs.generators import FAMILIES
from latkit.graphs.tflite.builder import TFLiteBuilder
from latkit.runtimes import get_runtime
from latkit.runtimes.litert.graph import read_tflite_graph
from latkit.runtimes.litert.write import write_tflite

schema: Any = pytest.importorskip("ai_edge_litert.schema_py_generated")
FIRST = list(itertools.islice(networks(0, "tflite"), len(FAMILIES)))


def small() -> Graph:
    b = TFLiteBuilder()
    x = b.activation("relu6", b.conv(b.input(1, 3, 16, 16), 8, 3, 2))
    x = b.resize(b.conv(x, 8, 3, 1, 8), 2)
    graph = b.graph([b.linear(b.reshape(b.global_pool(x), 1, 8), 4)], "small")
    return DefUse(graph).part(range(len(graph.nodes)))  # its constants in the order of their use


def quantized() -> Graph:
    """A convolution of bytes with a scale for every channel."""
    image = Tensor((1, 8, 8, 4), "int8", Quantization(scale=0.05, zero_point=-3))
    weights = Tensor((6, 1, 1, 4), "int8", Quantization(0, 0.01))
    bias = Tensor((6,), "int32", Quantization(0, 0.0005))
    output = Tensor((1, 8, 8, 6), "int8", Quantization(scale=0.1, zero_point=4))
    settings = (("options", "Conv2DOptions"), ("strideH", 1), ("strideW", 1), ("version", 3))
    node = Node("CONV_2D", (0, 1, 2), (output,), settings)
    return Graph((image,), (Constant(weights), Constant(bias)), (node,), (3,), dialect="tflite")


def run(path: Path) -> list[Any]:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    for item in interpreter.get_input_details():
        interpreter.set_tensor(item["index"], np.ones(item["shape"], item["dtype"]))
    interpreter.invoke()
    return [interpreter.get_tensor(item["index"]) for item in interpreter.get_output_details()]


@pytest.mark.parametrize("graph", FIRST, ids=lambda graph: graph.name)
def test_a_network_of_a_family_runs_and_is_read_back(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(write_tflite(graph, seed=0))
    assert [one.shape for one in run(path)] == [graph.tensors()[number].shape for number in graph.outputs]
    found, in_order = read_tflite_graph(path), DefUse(graph).part(range(len(graph.nodes)))
    assert (found.key, found.macs) == (in_order.key, graph.macs)
    assert Graph.from_json(graph.to_json()) == graph


def test_scales_are_written_but_are_no_part_of_the_key(tmp_path: Path) -> None:
    graph = quantized()
    path = tmp_path / "q.tflite"
    get_runtime("tflite").export_graph(graph, path)
    found = read_tflite_graph(path)
    assert found.tensors()[3].quantization is not None
    assert found.tensors()[3].quantization.scale == pytest.approx(0.1)
    assert found.tensors()[1].quantization == Quantization(0)
    other = Graph.from_json({**graph.to_json(), "inputs": [["int8", [1, 8, 8, 4], [None, 0.5, 0]]]})
    assert (found.key, other.key) == (graph.key, graph.key)
    assert [kernel.kind for kernel in partition_graph(found, ()).kernels] == ["conv_2d_int8"]
    assert run(path)[0].dtype == np.int8


def test_graphs_of_one_dialect_are_no_files_of_the_other(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="expected operators of onnx for onnxruntime, but found those of tflite"):
        get_runtime("onnxruntime").export_graph(small(), tmp_path / "small.onnx")


def edited(change: Callable[[Any], None]) -> bytes:
    """A small file with a change made to the records of its schema."""
    flatbuffers = pytest.importorskip("flatbuffers")
    model = schema.ModelT.InitFromPackedBuf(bytearray(write_tflite(small(), 0)))
    change(model)
    builder = flatbuffers.Builder(2**16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def make_custom(model: Any) -> None:
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = "Mine"


def make_text(model: Any) -> None:
    model.subgraphs[0].tensors[0].type = schema.TensorType.STRING


def make_sparse(model: Any) -> None:
    model.subgraphs[0].tensors[1].sparsity = schema.SparsityParametersT()


def make_stateful(model: Any) -> None:
    model.subgraphs[0].tensors[0].isVariable = True


def make_loop(model: Any) -> None:
    code = model.operatorCodes[0]
    code.builtinCode, code.deprecatedBuiltinCode = schema.BuiltinOperator.WHILE, schema.BuiltinOperator.WHILE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (make_custom, "expected operators of TFLite's own, but found CUSTOM Mine"),
        (make_text, "but found 'v0' of STRING"),
        (make_sparse, "'v1', which is sparse"),
        (make_stateful, "without state between its runs, but found the variable 'v0'"),
        (make_loop, "without branches, loops and calls, but found WHILE"),
    ],
)
def test_what_cannot_be_rebuilt_is_named(change: Callable[[Any], None], message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.tflite"
    path.write_bytes(edited(change))
    with pytest.raises(BadFile) as caught:
        read_tflite_graph(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sparse_network_is_not_profiled_either(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tflite"
    path.write_bytes(edited(make_sparse))
    with pytest.raises(BadFile, match="expected a network of dense tensors, but found 'v1', which is sparse"):
        read_tflite(SourceRequest(path))


def test_damaged_files_are_refused_in_one_line(tmp_path: Path) -> None:
    content, rng = write_tflite(small(), 0), np.random.default_rng(0)
    path = tmp_path / "damaged.tflite"
    reasons = []
    for _ in range(200):
        damaged = bytearray(content)
        for place in rng.integers(8, len(content), 8):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_tflite_graph(path)
        except BadFile as error:
            reasons.append(str(error))
    assert len(reasons) > 10
    assert not any("\n" in reason for reason in reasons)


def test_sizes_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "small.tflite"
    path.write_bytes(write_tflite(small(), 0))
    assert read_tflite_graph(path, {"args_0": (1, 16, 16, 3)}) == small()
    with pytest.raises(BadFile, match="args_0=1x16x16x3, but found 1x32x32x3"):
        read_tflite_graph(path, {"args_0": (1, 32, 32, 3)})
    with pytest.raises(BadFile, match="expected an input of the target's batch, 4"):
        read_tflite_graph(path, batch=4)


def test_a_quantized_network_has_kernels_of_its_precision(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_quantizer")
    runtime = get_runtime("tflite")
    static, dynamic = (runtime.quantized_graph(small(), name) for name in ("int8", "int8-dynamic"))
    kinds = [{kernel.kind for kernel in partition_graph(graph, ()).kernels} for graph in (static, dynamic)]
    assert {"conv_2d_int8", "depthwise_conv_2d_int8", "resize_nearest_neighbor_int8", "mean_int8"} <= kinds[0]
    assert {"conv_2d_dynamic_int8", "resize_nearest_neighbor", "mean"} <= kinds[1]
    for graph, output in ((static, np.int8), (dynamic, np.float32)):
        path = tmp_path / f"{output.__name__}.tflite"
        runtime.export_graph(graph, path)
        assert read_tflite_graph(path).key == DefUse(graph).part(range(len(graph.nodes))).key
        assert run(path)[0].dtype == output
