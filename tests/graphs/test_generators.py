import itertools

import numpy as np
import onnxruntime
import pytest

from latkit.graphs import Graph, networks, partition_graph
from latkit.graphs.generators import FAMILIES
from latkit.graphs.generators.parts import Draw
from latkit.runtimes.onnx.graph import model_of_graph

FIRST = list(itertools.islice(networks(), len(FAMILIES)))


def test_generated_networks_are_deterministic() -> None:
    again = list(itertools.islice(networks(), len(FAMILIES)))
    assert [graph.key for graph in again] == [graph.key for graph in FIRST]
    assert len({graph.key for graph in itertools.islice(networks(), 3 * len(FAMILIES))}) > 2 * len(FAMILIES)


@pytest.mark.parametrize("graph", FIRST, ids=lambda graph: graph.name)
def test_a_network_runs_and_gives_the_shapes_it_says(graph: Graph) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    model = model_of_graph(graph, seed=0).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    shapes = {item.name: tuple(item.shape) for item in session.get_inputs()}
    assert list(shapes.values()) == [tensor.shape for tensor in graph.inputs]
    found = session.run(None, {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()})
    assert [output.shape for output in found] == [graph.tensors()[number].shape for number in graph.outputs]
    assert all(np.isfinite(output).all() for output in found)


def test_together_they_hold_the_kernels_of_networks_of_today() -> None:
    anchors = {kernel.anchor for graph in FIRST for kernel in partition_graph(graph, ()).kernels}
    assert anchors >= {
        *("conv", "conv_depthwise", "linear", "matmul", "einsum", "softmax", "layernormalization"),
        *("instancenormalization", "batchnormalization", "gelu", "add", "mul_constant", "concat", "split", "slice"),
        *("resize", "reduce", "averagepool", "transpose", "transpose_rows", "transpose_last"),
    }


def test_every_block_of_networks_has_every_style_once() -> None:
    styles = ("a", "a", "b", "c")
    draws = [
        [draw.balanced(styles), draw.balanced((1, 2))] for draw in (Draw(0, number, "one") for number in range(40))
    ]
    for first in range(0, 40, len(styles)):
        assert sorted(style for style, _ in draws[first : first + len(styles)]) == sorted(styles)
    for first in range(0, 40, 2):
        assert sorted(other for _, other in draws[first : first + 2]) == [1, 2]
    orders = {tuple(style for style, _ in draws[first : first + len(styles)]) for first in range(0, 40, len(styles))}
    assert len(orders) > 1, "shuffled, not in one order"
