"""Quantized kernels of images, measured with the channels last."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import onnx
import onnxruntime
import pytest

from latkit.graphs import Graph, GraphBuilder, partition_graph
from latkit.graphs.onnx.channels_last import with_channels_last, without_channels_last
from latkit.latency_models.kernels.features import kernel_specs, timed_parts
from latkit.runtimes import get_runtime

RUNTIME = get_runtime("onnxruntime")


@pytest.fixture(scope="module")
def network() -> Graph:
    b = GraphBuilder()
    x = b.conv(b.pad(b.conv(b.input(1, 8, 12, 12), 16), 0, 0, 1, 1), 16, 3, 1, 16, pad=0)
    x = b.binary("Add", b.conv(x, 16), x)
    return RUNTIME.quantized_graph(b.graph([b.linear(b.reshape(b.global_pool(x), 1, 16), 4)]), "int8")


def operators(graph: Graph, folder: Path) -> Counter[str]:
    """The operators that onnxruntime runs of a graph."""
    RUNTIME.export_graph(graph, folder / "graph.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(str(folder / "graph.onnx"), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node)


def test_a_convolution_is_measured_without_transpositions(network: Graph, tmp_path: Path) -> None:
    specs = {spec.kind: spec for spec in kernel_specs(partition_graph(network, ()))}
    for kind in ("conv_int8", "conv_depthwise_int8", "pad_int8"):
        assert operators(specs[kind].timed, tmp_path)["Transpose"] == 0
    assert operators(specs["conv_int8"].graph, tmp_path)["Transpose"] == 2
    assert specs["linear_int8"].timed is specs["linear_int8"].graph


def test_what_is_measured_is_known_as_the_kernel_again(network: Graph) -> None:
    parts = partition_graph(network, ())
    for spec in kernel_specs(parts):
        found = timed_parts(spec.timed, ())
        assert found is not None
        assert [one.key for one in kernel_specs(found)] == [spec.key]
        assert without_channels_last(spec.timed) == spec.graph
    for pair in map(parts.pair_graph, parts.edges):
        kinds = [kernel.kind for kernel in partition_graph(pair, ()).kernels]
        if len(kinds) == 2:
            found = timed_parts(with_channels_last(pair), ())
            assert found is not None
            assert [kernel.kind for kernel in found.kernels] == kinds


def test_a_pool_is_measured_as_beside_a_convolution(tmp_path: Path) -> None:
    b = GraphBuilder()
    x = b.pool("MaxPool", b.conv(b.input(1, 8, 12, 12), 16), 3, 2)
    quantized = RUNTIME.quantized_graph(b.graph([b.resize(b.conv(x, 8), 2)]), "int8")
    specs = {spec.kind: spec for spec in kernel_specs(partition_graph(quantized, ()))}
    pool = operators(specs["maxpool_int8"].timed, tmp_path)
    assert pool["NhwcMaxPool"] == 1
    assert pool["Transpose"] == 0
    assert operators(specs["resize_int8"].timed, tmp_path)["Transpose"] == 0
    for kind in ("maxpool_int8", "resize_int8"):
        assert without_channels_last(specs[kind].timed) == specs[kind].graph


def test_a_kernel_measured_with_transpositions_is_not_used(network: Graph) -> None:
    (spec, *_) = [spec for spec in kernel_specs(partition_graph(network, ())) if spec.anchor == "conv_int8"]
    assert timed_parts(spec.graph, ()) is None


def test_a_transposition_that_the_runtime_removes_is_no_work(network: Graph) -> None:
    (alone,) = [spec for spec in kernel_specs(partition_graph(network, ())) if spec.kind == "conv_depthwise_int8"]
    whole = with_channels_last(alone.graph)
    cut = replace(whole, nodes=whole.nodes[:-1], outputs=whole.nodes[-1].inputs)
    (spec,) = kernel_specs(partition_graph(cut, {("transpose", "conv_depthwise_int8")}))
    assert spec.kind == "transpose+conv_depthwise_int8"
    assert (spec.key, spec.light, spec.timed) == (alone.key, alone.light, alone.timed)
