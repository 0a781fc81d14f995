"""A written graph has the recorded shapes, or is not timed."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import onnx
import pytest

from latkit.artifacts.export import export_subject
from latkit.errors import ExportError
from latkit.graphs import Graph, Tensor, partition_graph
from latkit.graphs.generators import networks
from latkit.latency_models.kernels.features import features, kernel_specs
from latkit.runtimes import get_runtime
from latkit.runtimes.onnx.graph import graph_of_model, read_graph
from latkit.runtimes.onnx.session import shapes_by_running
from latkit.runtimes.onnx.write import check_shapes, model_of_graph
from tests.runtimes.onnx_files import floats, integers, model, node, value, weights


def resized(opset: int = 17) -> onnx.ModelProto:
    op = node("Upsample", "c scales", "u") if opset < 10 else node("Resize", "c _ scales", "u", mode="nearest")
    return model(
        [node("Conv", "x w", "c"), op, node("Relu", "u", "y")],
        [value("x", [1, 16, 20, 20])],
        [weights("w", 16, 16, 1, 1), floats("scales", 1, 1, 2, 3)],
        opset=opset,
    )


def ran(graph: Graph) -> list[tuple[int, ...]]:
    return [*shapes_by_running(model_of_graph(graph, 1).SerializeToString()).values()]


@pytest.mark.parametrize("opset", [9, 17])
def test_resize_scales_keep_their_values(opset: int, tmp_path: Path) -> None:
    graph = graph_of_model(resized(opset), None, {}, "net")
    parts = partition_graph(graph, ())
    pairs = [parts.pair_graph(edge) for edge in parts.edges]
    for one in (graph, *pairs, *(parts.kernel_graph(place) for place in range(len(parts.kernels)))):
        check_shapes(one)
        assert ran(one) == [one.tensors()[number].shape for number in one.outputs]
    assert graph.tensors()[graph.outputs[0]].shape == (1, 16, 40, 60)
    assert read_graph(export_subject(get_runtime("onnxruntime"), graph, tmp_path / "a.onnx").path).key == graph.key


def test_a_record_without_its_scales_is_not_written(tmp_path: Path) -> None:
    """As earlier versions saved it: they timed it at sizes made up from random scales."""
    graph = graph_of_model(resized(), None, {}, "net")
    lost = tuple(dataclasses.replace(c, values=None) if c.tensor.shape == (4,) else c for c in graph.constants)
    with pytest.raises(ExportError, match="the values that decide the shape of its Resize"):
        export_subject(get_runtime("onnxruntime"), dataclasses.replace(graph, constants=lost), tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.parametrize(
    ("made", "place"),
    [
        (resized(), 1),
        (model([node("Reshape", "x s", "y")], [value("x", [4, 6])], [integers("s", 3, 8)]), 0),
        (model([node("Slice", "x a b", "y")], [value("x", [4, 6])], [integers("a", 1), integers("b", 3)]), 0),
        (model([node("Tile", "x s", "y")], [value("x", [4, 6])], [integers("s", 3, 8)]), 0),
        (model([node("MatMul", "x w", "y")], [value("x", [4, 6])], [weights("w", 6, 80)]), 0),
        (model([node("MaxPool", "x", "y", kernel_shape=[2, 2])], [value("x", [1, 4, 6, 6])]), 0),
    ],
)
def test_another_shape_than_recorded_is_an_error_that_says_which(made: onnx.ModelProto, place: int) -> None:
    graph = graph_of_model(made, None, {}, "net")
    check_shapes(graph)
    right = graph.nodes[place].outputs[0].shape
    wrong = (*right[:-1], right[-1] + 1)
    nodes = list(graph.nodes)
    nodes[place] = dataclasses.replace(nodes[place], outputs=(Tensor(wrong),))
    message = rf"expected {nodes[place].op} to give .*{wrong[-1]}\), but found .*{right[-1]}\)"
    with pytest.raises(ExportError, match=message):
        check_shapes(dataclasses.replace(graph, nodes=tuple(nodes)))


def test_rounded_sizes_are_found_by_running() -> None:
    """A shape that onnx infers wrongly or not at all is seen when the graph is run."""
    made = model(
        [node("Resize", "x _ scales", "y", mode="linear")],
        [value("x", [1, 1, 7, 7])],
        [floats("scales", 1, 1, 1.3, 0.7)],
    )
    graph = graph_of_model(made, None, {}, "net")
    check_shapes(graph)
    assert ran(graph) == [(1, 1, 9, 4)]


def test_an_output_that_is_skipped_keeps_its_place() -> None:
    made = model(
        [
            node("LSTM", "x W R", "_ h", hidden_size=16, activations=["Sigmoid", "Tanh", "Tanh"]),
            node("Squeeze", "h a", "y"),
        ],
        [value("x", [20, 1, 8])],
        [weights("W", 1, 64, 8), weights("R", 1, 64, 16), integers("a", 0)],
    )
    graph = graph_of_model(made, None, {}, "net")
    assert graph.nodes[0].skipped == (0,)
    kernel = partition_graph(graph, ()).kernel_graph(0)
    assert ran(kernel) == [(1, 1, 16)]
    assert graph.macs == 20 * 64 * (8 + 16)
    plain = model(
        [node("LSTM", "x W R", "_ y", hidden_size=16)],
        [value("x", [20, 1, 8])],
        [weights("W", 1, 64, 8), weights("R", 1, 64, 16)],
    )
    assert graph_of_model(plain, None, {}, "net").nodes[0] == graph.nodes[0], "what is as by default may be left out"
    odd = model(
        [node("LSTM", "x W R", "_ y", hidden_size=16, activations=["Sigmoid", "Relu", "Tanh"])],
        [value("x", [20, 1, 8])],
        [weights("W", 1, 64, 8), weights("R", 1, 64, 16)],
    )
    assert graph_of_model(odd, None, {}, "net").key != kernel.key


@pytest.mark.parametrize("rank", range(6))
def test_tensors_of_every_rank(rank: int) -> None:
    shape = [2, 3, 4, 5, 6][:rank]
    made = model([node("Sigmoid", "x", "s"), node("Mul", "x s", "m"), node("Add", "m x", "y")], [value("x", shape)])
    graph = graph_of_model(made, None, {}, "net")
    check_shapes(graph)
    assert ran(graph) == [tuple(shape)]
    for spec in kernel_specs(partition_graph(graph, ())):
        assert np.isfinite(features(spec, [])).all()


@pytest.mark.parametrize(
    ("left", "right", "made"),
    [([4, 32], [32], (4,)), ([32], [32], ()), ([32], [32, 5], (5,)), ([2, 4, 3], [3], (2, 4))],
)
def test_products_with_vectors(left: list[int], right: list[int], made: tuple[int, ...]) -> None:
    nodes = [node("MatMul", "x w", "c"), node("Relu", "c", "y")]
    graph = graph_of_model(model(nodes, [value("x", left)], [weights("w", *right)]), None, {}, "net")
    check_shapes(graph)
    assert ran(graph) == [made]
    for spec in kernel_specs(partition_graph(graph, ())):
        assert np.isfinite(features(spec, [])).all()


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_convolutions_over_one_to_three_axes(rank: int) -> None:
    made = model([node("Conv", "x w", "y")], [value("x", [1, 2, *[6] * rank])], [weights("w", 4, 2, *[3] * rank)])
    graph = graph_of_model(made, None, {}, "net")
    check_shapes(graph)
    assert graph.macs == 4 * 4**rank * 2 * 3**rank
    assert all(np.isfinite(features(spec, [])).all() for spec in kernel_specs(partition_graph(graph, ())))


@pytest.mark.slow
def test_every_kernel_measured_for_external_models_runs() -> None:
    for graph in itertools.islice(networks(2), 13):
        check_shapes(graph)
        parts = partition_graph(graph, {("conv", "relu")})
        for place in range(len(parts.kernels)):
            check_shapes(parts.kernel_graph(place))
