"""Quantized kernels of images, measured with the channels last."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx
import onnxruntime
import pytest

from latkit.graphs import Graph, GraphBuilder, partition_graph
from latkit.graphs.dialects import measured_form
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
    return Counter(node.op_type for node in optimized(graph, folder))


def pool_layouts(graph: Graph, folder: Path) -> list[int]:
    """Whether onnxruntime runs the average pools of a graph with the channels last, in their order."""
    pools = [node for node in optimized(graph, folder) if node.op_type == "QLinearAveragePool"]
    return [attribute.i for node in pools for attribute in node.attribute if attribute.name == "channels_last"]


def optimized(graph: Graph, folder: Path) -> Sequence[onnx.NodeProto]:
    """The nodes that onnxruntime runs of a graph."""
    RUNTIME.export_graph(graph, folder / "graph.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(str(folder / "graph.onnx"), options, providers=["CPUExecutionProvider"])
    return onnx.load(folder / "optimized.onnx").graph.node


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


def test_an_average_pool_is_measured_in_the_layout_of_its_network(tmp_path: Path) -> None:
    b = GraphBuilder()
    x = b.pool("AveragePool", b.conv(b.input(1, 8, 12, 12), 16), 3, 1)
    x = b.binary("Add", b.pool("AveragePool", b.group_norm(x), 3, 1), x)
    quantized = RUNTIME.quantized_graph(b.graph([b.conv(x, 8)]), "int8")
    assert pool_layouts(quantized, tmp_path) == [1, 0]
    parts = partition_graph(quantized, ())
    pools = [(k, s) for k, s in zip(parts.kernels, kernel_specs(parts), strict=True) if "pool" in s.anchor]
    assert [spec.kind for _, spec in pools] == ["averagepool_int8", "averagepool_nchw_int8"]
    assert [pool_layouts(spec.timed, tmp_path) for _, spec in pools] == [[1], [0]]
    assert operators(pools[1][1].timed, tmp_path) == {"QLinearAveragePool": 1}
    assert len({spec.key for _, spec in pools}) == 2
    for kernel, spec in pools:
        measured = timed_parts(spec.timed, ())
        assert measured is not None
        assert [(one.kind, one.anchor) for one in measured.kernels] == [(kernel.kind, kernel.anchor)]
        assert [(one.key, one.graph) for one in kernel_specs(measured)] == [(spec.key, spec.graph)]
        assert Graph.from_json(spec.graph.to_json()).key == spec.key


def test_neighbors_of_an_average_pool_keep_its_layout(tmp_path: Path) -> None:
    b = GraphBuilder()
    x = b.unary("Relu", b.conv(b.input(1, 8, 12, 12), 16))
    x = b.pool("AveragePool", b.binary("Mul", x, b.weight(16, 1, 1)), 3, 1)
    x = b.pool("AveragePool", b.binary("Mul", b.group_norm(x), b.weight(16, 1, 1)), 3, 1)
    parts = partition_graph(RUNTIME.quantized_graph(b.graph([x]), "int8"), ())
    kinds = {"averagepool_int8": 1, "averagepool_nchw_int8": 0}
    found = [edge for edge in parts.edges if parts.kernels[edge.consumer].kind in kinds]
    assert len(found) == 2
    for edge in found:
        measured = timed_parts(measured_form(parts.pair_graph(edge)), ())
        assert measured is not None
        both = [parts.kernels[edge.producer].kind, parts.kernels[edge.consumer].kind]
        assert [kernel.kind for kernel in measured.kernels] == both
        assert pool_layouts(measured_form(parts.pair_graph(edge)), tmp_path) == [kinds[both[1]]]
