from collections import Counter

import pytest

from latkit.graphs import GraphBuilder, candidates, partition_graph
from latkit.graphs.dialects import units_of


@pytest.mark.parametrize("name", ["gelu", "silu", "hardswish"])
def test_an_activation_is_one_unit_however_it_is_written(name: str) -> None:
    b = GraphBuilder()
    graph = b.graph([b.activation(name, b.conv(b.input(1, 3, 4, 4), 4))])
    assert [unit.kind for unit in units_of(graph)] == ["conv", name]


def test_other_ways_to_write_gelu() -> None:
    b = GraphBuilder()
    x = b.input(1, 4)
    half = b.binary("Mul", x, b.scalar(0.5))
    inner = b.unary("Erf", b.binary("Mul", x, b.scalar(0.7)))
    graph = b.graph([b.binary("Mul", half, b.binary("Add", inner, b.scalar(1)))])
    assert [unit.kind for unit in units_of(graph)] == ["gelu"]


def test_a_gate_is_no_activation() -> None:
    b = GraphBuilder()
    x = b.input(1, 4, 8, 8)
    gate = b.unary("Sigmoid", b.conv(b.global_pool(x), 4))
    graph = b.graph([b.binary("Mul", x, gate)])
    assert [unit.kind for unit in units_of(graph)] == ["reduce", "conv", "sigmoid", "mul_broadcast"]


def test_layer_normalization_in_steps_is_one_unit() -> None:
    b = GraphBuilder()
    x = b.input(1, 5, 8)
    mean = b.node("ReduceMean", (x,), (1, 5, 1), axes=(-1,))
    apart = b.binary("Sub", x, mean)
    square = b.binary("Pow", apart, b.scalar(2))
    variance = b.node("ReduceMean", (square,), (1, 5, 1), axes=(-1,))
    root = b.unary("Sqrt", b.binary("Add", variance, b.scalar(1e-5)))
    scaled = b.binary("Mul", b.binary("Div", apart, root), b.weight(8))
    graph = b.graph([b.binary("Add", scaled, b.weight(8))])
    assert [unit.kind for unit in units_of(graph)] == ["layernormalization"]


def test_a_linear_layer_has_its_bias() -> None:
    b = GraphBuilder()
    graph = b.graph([b.linear(b.activation("relu", b.linear(b.input(1, 5, 8), 6)), 4)])
    assert [unit.kind for unit in units_of(graph)] == ["linear", "relu", "linear"]


def test_padding_changes_no_rule_but_that_of_padding() -> None:
    b = GraphBuilder()
    padded = b.node("Pad", (b.input(1, 4, 8, 8), b.weight(8)), (1, 4, 10, 10))
    graph = b.graph([b.activation("relu", b.conv(padded, 4, 3, pad=0))])
    assert [kernel.kind for kernel in partition_graph(graph, {("pad", "conv")}).kernels] == ["pad+conv", "relu"]
    assert [c.rule for c in candidates(graph, {("pad", "conv")})] == [("conv", "relu")]
    assert [kernel.kind for kernel in partition_graph(graph, {("pad", "conv"), ("conv", "relu")}).kernels] == [
        "pad+conv+relu"
    ]


def test_rules_join_units_into_kernels() -> None:
    b = GraphBuilder()
    x = b.input(1, 4, 8, 8)
    y = b.activation("relu", b.binary("Add", b.conv(x, 4, 3), x))
    graph = b.graph([b.conv(y, 8)])
    assert [kernel.kind for kernel in partition_graph(graph, ()).kernels] == ["conv", "add", "relu", "conv"]
    rules = {("conv", "add"), ("conv+add", "relu"), ("relu", "conv")}
    assert [kernel.kind for kernel in partition_graph(graph, rules).kernels] == ["conv+add+relu", "conv"]


def test_two_heavy_units_are_never_one_kernel() -> None:
    b = GraphBuilder()
    graph = b.graph([b.conv(b.conv(b.input(1, 4, 8, 8), 4), 4)])
    assert not candidates(graph, ())
    assert len(partition_graph(graph, {("conv", "conv")}).kernels) == 2


def test_what_others_take_too_is_not_fused_away() -> None:
    b = GraphBuilder()
    x = b.conv(b.input(1, 4, 8, 8), 4)
    graph = b.graph([b.binary("Add", b.activation("relu", x), x)])
    parts = partition_graph(graph, {("conv", "relu"), ("relu", "add")})
    assert [kernel.kind for kernel in parts.kernels] == ["conv", "relu+add"]
    assert [(edge.producer, edge.consumer, edge.consumers) for edge in parts.edges] == [(0, 1, 1)]


def test_a_light_unit_before_a_heavy_one_may_join_it() -> None:
    b = GraphBuilder()
    left, right = (b.binary("Mul", b.input(1, 4, 4), b.scalar(0.5)) for _ in range(2))
    graph = b.graph([b.matmul(left, right)])
    rules = {("mul_scalar", "matmul"), ("mul_scalar", "mul_scalar+matmul")}
    assert [kernel.kind for kernel in partition_graph(graph, rules).kernels] == ["mul_scalar+mul_scalar+matmul"]


def test_edges_pass_through_views_which_are_no_kernels() -> None:
    b = GraphBuilder()
    x = b.conv(b.input(1, 4, 8, 8), 4)
    graph = b.graph([b.linear(b.reshape(x, 1, 256), 10)])
    parts = partition_graph(graph, ())
    assert [kernel.kind for kernel in parts.kernels] == ["conv", "linear"]
    assert parts.views == 1
    (edge,) = parts.edges
    assert (edge.producer, edge.consumer, edge.elements) == (0, 1, 256)
    assert [node.op for node in parts.pair_graph(edge).nodes] == ["Conv", "Reshape", "MatMul", "Add"]


def test_every_node_that_computes_is_in_one_kernel() -> None:
    b = GraphBuilder()
    x = b.layer_norm(b.input(1, 6, 8))
    parts_of_x = b.split(b.linear(x, 24), 2, 8, 8, 8)
    scores = b.softmax(b.matmul(parts_of_x[0], b.transpose(parts_of_x[1], 0, 2, 1)))
    graph = b.graph([b.binary("Add", x, b.linear(b.matmul(scores, parts_of_x[2]), 8))])
    for rules in ((), {("linear", "add"), ("transpose_last", "matmul")}):
        members = Counter(node for kernel in partition_graph(graph, rules).kernels for node in kernel.members)
        assert set(members) == set(range(len(graph.nodes)))
        assert set(members.values()) == {1}
