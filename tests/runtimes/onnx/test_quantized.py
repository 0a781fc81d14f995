"""Quantized ONNX files (QDQ) as graphs, their kernels, and the same graphs as files again."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from latkit.graphs import Graph, GraphBuilder, partition_graph
from latkit.graphs.def_use import DefUse
from latkit.runtimes import get_runtime
from latkit.runtimes.onnx.graph import read_graph
from latkit.runtimes.quantization.file_quantizers import quantize_onnx_file
from tests.runtimes.onnx_files import floats, model, node, value, weights

RUNTIME = get_runtime("onnxruntime")


def blocks() -> Graph:
    """Two equal blocks, a sum of a tensor that two operators take, and a linear layer."""
    b = GraphBuilder()
    x = b.activation("relu", b.conv(b.input(1, 3, 12, 12), 72, 3))
    for _ in range(2):
        x = b.binary("Add", b.activation("relu", b.conv(x, 72, 3, 1, 72)), x)
    return b.graph([b.linear(b.reshape(b.global_pool(x), 1, 72), 80)], "blocks")


@pytest.fixture(scope="module")
def quantized() -> Graph:
    return RUNTIME.quantized_graph(blocks(), "int8")


def fused(path: Path, folder: Path) -> Counter[str]:
    """The operators that onnxruntime runs of a file."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node)


def test_a_node_in_8_bits_is_one_kernel_with_what_surrounds_it(quantized: Graph) -> None:
    kinds = Counter(kernel.kind for kernel in partition_graph(quantized, ()).kernels)
    assert kinds["conv_depthwise_int8"] == 2
    assert kinds["add_int8"] == 2
    assert kinds["conv_image_int8"] == kinds["linear_int8"] == 1
    assert kinds["quantizelinear"] == 1


def test_no_exponential_of_a_quantized_softmax_is_subnormal() -> None:
    """Of random weights, logits are up to hundreds apart; some processors compute with such numbers slowly."""
    b = GraphBuilder()
    logits = b.binary("Mul", b.linear(b.input(1, 8, 64), 64), b.scalar(500.0))
    quantized = RUNTIME.quantized_graph(b.graph([b.softmax(logits)]), "int8")
    (softmax,) = (node for node in quantized.nodes if node.op == "Softmax")
    given = DefUse(quantized).producer_of(softmax.inputs[0])
    assert given is not None
    scale = quantized.constant(quantized.nodes[given].inputs[1])
    assert scale is not None
    assert scale.example is not None
    assert 0.1 < scale.example[0] < -math.log(np.finfo(np.float32).tiny) / 255


def test_sizes_that_a_file_computes_are_not_rounded_to_8_bits(tmp_path: Path) -> None:
    steps = [
        node("MatMul", "x w", "r", name="product"),
        node("Mul", "a b", "m", name="sizes"),
        node("Cast", "m", "shape", name="cast", to=onnx.TensorProto.INT64),
        node("Reshape", "r shape", "y", name="reshape"),
    ]
    sizes = [weights("w", 4, 4), floats("a", 0.25, 32), floats("b", 4, 4)]
    onnx.save(model(steps, [value("x", (1, 8, 4, 4))], sizes), tmp_path / "float.onnx")
    feeds = [{"x": np.random.default_rng(0).standard_normal((1, 8, 4, 4)).astype(np.float32)}]
    quantize_onnx_file(tmp_path / "float.onnx", tmp_path / "q.onnx", "int8", feeds)
    read = RUNTIME.read_graph(tmp_path / "q.onnx", {}, 1)
    assert [one.shape for one in read.nodes[-1].outputs] == [(1, 128)]
    assert Counter(one.op for one in read.nodes)["QuantizeLinear"] > 0


def two_convolutions(folder: Path, steps: list[onnx.NodeProto], biases: list[onnx.TensorProto]) -> Path:
    """A file of two convolutions after another, quantized to 8 bits."""
    nodes = [*steps, node("Conv", "x w0 b0", "h", name="first"), node("Conv", "h w1 b1", "y", name="second")]
    tensors = [weights("w0", 4, 4, 3, 3), weights("w1", 4, 4, 3, 3), *biases]
    onnx.save(model(nodes, [value("x", (1, 4, 8, 8))], tensors), folder / "float.onnx")
    feeds = [{"x": np.random.default_rng(0).standard_normal((1, 4, 8, 8)).astype(np.float32)}]
    quantize_onnx_file(folder / "float.onnx", folder / "q.onnx", "int8", feeds)
    return folder / "q.onnx"


def test_a_bias_that_convolutions_share_is_quantized_for_each(tmp_path: Path) -> None:
    path = two_convolutions(tmp_path, [node("Identity", "b0", "b1", name="same")], [floats("b0", 0, 0, 0, 0)])
    assert fused(path, tmp_path)["QLinearConv"] == 2


def test_a_convolution_with_a_bias_of_floats_is_no_kernel_of_8_bits(tmp_path: Path) -> None:
    zeros = node("Mul", "b0 b0", "b1", name="squares")  # computed: the quantizer leaves it as it is
    path = two_convolutions(tmp_path, [zeros], [floats("b0", 0, 0, 0, 0)])
    kinds = Counter(kernel.kind for kernel in partition_graph(RUNTIME.read_graph(path, {}, 1), ()).kernels)
    assert fused(path, tmp_path)["QLinearConv"] == kinds["conv_int8"] == 1
    assert kinds["conv_int8_weights"] == 1


def test_a_bias_in_the_scale_of_another_convolution_is_added_in_floats(tmp_path: Path) -> None:
    path = two_convolutions(tmp_path, [], [floats("b0", 1, 2, 3, 4), floats("b1", 1, 2, 3, 4)])
    file = onnx.load(path)
    second = next(one for one in file.graph.node if one.name == "second")
    first = next(one for one in file.graph.node if one.name == "first")
    file.graph.node.insert(0, node("Identity", first.input[2], "shared", name="same"))
    bias = next(one for one in file.graph.node if first.input[2] in one.output)
    file.graph.node.remove(bias)
    file.graph.node.insert(0, bias)
    second.input[2] = "shared"
    onnx.save(file, path)
    read = RUNTIME.read_graph(path, {}, 1)
    kinds = Counter(kernel.kind for kernel in partition_graph(read, ()).kernels)
    assert fused(path, tmp_path)["QLinearConv"] == kinds["conv_int8"] == 1
    assert kinds["conv_int8_weights"] == 1
    RUNTIME.export_graph(read, tmp_path / "again.onnx")
    assert fused(tmp_path / "again.onnx", tmp_path)["QLinearConv"] == 1


def test_equal_blocks_are_equal_kernels_whatever_their_scales(quantized: Graph) -> None:
    parts = partition_graph(quantized, ())
    keys = [parts.kernel_graph(n).key for n, kernel in enumerate(parts.kernels) if kernel.kind == "conv_depthwise_int8"]
    scales = [constant.example for constant in quantized.constants if constant.tensor.type == "float32"]
    assert len(set(keys)) == 1
    assert len(set(scales)) > 4


def test_a_written_graph_is_fused_as_the_file_was(quantized: Graph, tmp_path: Path) -> None:
    path = tmp_path / "again.onnx"
    RUNTIME.export_graph(quantized, path)
    found = fused(path, tmp_path)
    assert found["QLinearConv"] == 3
    assert found["QLinearAdd"] == 3  # the bias of the linear layer too
    in_order = DefUse(quantized).part(range(len(quantized.nodes)))
    assert read_graph(path).key == in_order.key
    assert Graph.from_json(quantized.to_json()) == quantized


def test_a_kernel_is_fused_alone_as_well(quantized: Graph, tmp_path: Path) -> None:
    parts = partition_graph(quantized, ())
    kernels: dict[str, Any] = {kernel.kind: parts.kernel_graph(n) for n, kernel in enumerate(parts.kernels)}
    for kind, operator in (("conv_depthwise_int8", "QLinearConv"), ("add_int8", "QLinearAdd")):
        RUNTIME.export_graph(kernels[kind], tmp_path / "kernel.onnx")
        assert fused(tmp_path / "kernel.onnx", tmp_path)[operator] == 1
        assert kernels[kind].inputs[0].type == "uint8"
