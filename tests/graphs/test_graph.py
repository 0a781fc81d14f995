import json
from pathlib import Path

import pytest

from latkit.errors import BadFile, UsageError
from latkit.graphs import Constant, Graph, GraphBuilder, Node, Tensor
from latkit.graphs.def_use import DefUse
from latkit.ops import make_op


def small() -> Graph:
    """Convolution, relu, convolution, and the first convolution's output added."""
    b = GraphBuilder()
    x = b.conv(b.input(1, 3, 8, 8), 4, 3)
    y = b.conv(b.activation("relu", x), 4, 3)
    return b.graph([b.binary("Add", x, y)], "small")


def test_a_graph_is_the_same_after_json(tmp_path: Path) -> None:
    graph = small()
    graph.save(tmp_path / "graph.json")
    assert Graph.load(tmp_path / "graph.json") == graph
    assert Graph.load(tmp_path / "graph.json").key == graph.key


def test_the_name_is_no_part_of_the_key() -> None:
    graph = small()
    other = Graph.from_json({**graph.to_json(), "name": "other"})
    assert other.key == graph.key
    assert other == graph
    assert graph.title == f"small {graph.key[:8]}"


def test_counts_are_those_of_the_same_ops() -> None:
    convolution = make_op("conv", (4, 8, 8), out_channels=6, kernel=3, stride=2, activation="none")
    b = GraphBuilder()
    graph = b.graph([b.conv(b.input(1, 4, 8, 8), 6, 3, 2)])
    assert graph.macs == convolution.macs
    assert graph.parameters == 6 * 4 * 9 + 6
    b = GraphBuilder()
    product = b.graph([b.linear(b.input(1, 7, 5), 3)])
    assert product.macs == 7 * 5 * 3
    assert product.parameters == 5 * 3 + 3


def test_a_part_takes_what_it_lacks_and_gives_what_others_take() -> None:
    def_use = DefUse(small())
    first = def_use.part((0, 1))
    assert first.inputs == (Tensor((1, 3, 8, 8)),)
    assert [node.op for node in first.nodes] == ["Conv", "Relu"]
    assert len(first.outputs) == 2, "the addition takes the convolution's output, the next convolution the relu's"
    last = def_use.part((3,))
    assert last.inputs == (Tensor((1, 4, 8, 8)),) * 2
    assert last.constants == ()


def test_equal_parts_have_equal_keys() -> None:
    b = GraphBuilder()
    x = b.input(1, 4, 8, 8)
    for _ in range(2):
        x = b.activation("relu", b.conv(x, 4, 3))
    def_use = DefUse(b.graph([x]))
    assert def_use.part((0, 1)).key == def_use.part((2, 3)).key != def_use.part((0,)).key


@pytest.mark.parametrize(
    "change",
    [
        {"format": "latkit-graph-0"},
        {"nodes": [{"op": "Relu", "inputs": [7], "outputs": [["float32", [1]]], "attributes": {}}]},
        {"outputs": []},
        {"inputs": [["float32", [1, -2]]]},
        {"inputs": [["text", [1]]]},
        {"constants": [["int64", [2], [1]]]},
        {"opset": None},
    ],
)
def test_what_is_no_graph_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    document = {**small().to_json(), **change}
    with pytest.raises(UsageError):
        Graph.from_json(document)
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(document))
    with pytest.raises(BadFile, match=r"graph\.json"):
        Graph.load(path)


def test_a_node_takes_only_what_was_given_before_it() -> None:
    with pytest.raises(UsageError, match="before it"):
        Graph((Tensor((1,)),), (), (Node("Relu", (1,), (Tensor((1,)),)),), (1,))


def test_a_constant_holds_as_many_values_as_its_shape_says() -> None:
    with pytest.raises(UsageError, match="2 values"):
        Constant(Tensor((2,), "int64"), (1, 2, 3))
