"""Equal nodes have equal keys, whatever an exporter omits."""

import json
import math

import pytest
from onnx import defs, helper

from latkit.errors import UsageError
from latkit.graphs import Constant, Graph, GraphBuilder, Node, Tensor
from latkit.graphs.generators import networks
from latkit.graphs.node import single
from latkit.graphs.onnx.defaults import DROPPED, FILLED


def graph_of(node: Node, *inputs: tuple[int, ...], weights: tuple[tuple[int, ...], ...] = (), opset: int = 17) -> Graph:
    constants = tuple(Constant(Tensor(shape)) for shape in weights)
    return Graph(tuple(Tensor(shape) for shape in inputs), constants, (node,), (len(inputs) + len(weights),), opset)


@pytest.mark.parametrize("table", [FILLED, DROPPED])
def test_defaults_are_those_of_onnx(table: dict[str, dict[str, object]]) -> None:
    for op, settings in table.items():
        schema = defs.get_schema(op, max_inclusive_version=21)
        for name, default in settings.items():
            known = helper.get_attribute_value(schema.attributes[name].default_value)
            known = known.decode() if isinstance(known, bytes) else known
            assert default == (single(known) if isinstance(known, float) else known), (op, name)


def conv(**settings: object) -> Graph:
    node = Node("Conv", (0, 1), (Tensor((1, 8, 16, 16)),), tuple(settings.items()))
    return graph_of(node, (1, 4, 32, 32), weights=((8, 4, 3, 3),))


def test_a_convolution_is_the_same_however_it_is_written() -> None:
    full = conv(kernel_shape=(3, 3), strides=(2, 2), pads=(0, 0, 1, 1), dilations=(1, 1), group=1)
    assert conv(strides=(2, 2), pads=(0, 0, 1, 1)).key == full.key
    assert conv(strides=(2, 2), auto_pad="SAME_UPPER").key == full.key
    assert conv(strides=(2, 2), auto_pad="NOTSET", pads=(0, 0, 1, 1)) == full
    assert conv(strides=(2, 2), auto_pad="SAME_LOWER").nodes[0].get("pads") == (1, 1, 0, 0)
    assert conv(strides=(2, 2), pads=(1, 1, 1, 1)).key != full.key


@pytest.mark.parametrize(
    ("op", "some", "others", "shape"),
    [
        ("Softmax", {}, {"axis": 2}, (1, 4, 5)),
        ("LeakyRelu", {}, {"alpha": 0.009999999776482582}, (1, 4)),
        ("Flatten", {}, {"axis": -3}, (1, 4, 5, 6)),
        ("Transpose", {}, {"perm": (2, 1, 0)}, (1, 4, 5)),
        ("MaxPool", {"kernel_shape": (1,)}, {"kernel_shape": (1,), "ceil_mode": 0, "strides": (1,)}, (1, 4, 5)),
    ],
)
def test_what_is_left_out_is_as_by_default(op: str, some: dict, others: dict, shape: tuple[int, ...]) -> None:
    made = tuple(reversed(shape)) if op == "Transpose" else (1, 120) if op == "Flatten" else shape
    first, second = (
        graph_of(Node(op, (0,), (Tensor(made),), tuple(settings.items())), shape) for settings in (some, others)
    )
    assert first.key == second.key


def test_softmax_of_old_releases_had_another_default() -> None:
    made = Node("Softmax", (0,), (Tensor((2, 3, 4)),))
    assert graph_of(made, (2, 3, 4), opset=11).nodes[0].get("axis") == 1
    assert graph_of(made, (2, 3, 4), opset=13).nodes[0].get("axis") == -1


def test_numbers_of_64_and_32_bits_are_one() -> None:
    assert single(1e-6) == single(9.999999974752427e-07) == 1e-6
    assert single(2**0.5) == single(1.4142135381698608)
    assert single(1e300) == math.inf
    assert single(-math.inf) == -math.inf
    assert math.isnan(single(math.nan))


def test_the_normal_form_is_its_own() -> None:
    for _, network in zip(range(26), networks(1), strict=False):
        document = json.loads(json.dumps(network.to_json()))
        assert Graph.from_json(document).to_json() == document


def test_records_of_earlier_versions_are_matched() -> None:
    """Their attributes are as the exporter wrote them."""
    b = GraphBuilder()
    graph = b.graph([b.activation("hardswish", b.conv(b.input(1, 3, 8, 8), 4))])
    document = json.loads(json.dumps(graph.to_json()))
    for node in document["nodes"]:
        if node["op"] == "Conv":
            del node["attributes"]["dilations"]
        if node["op"] == "HardSigmoid":
            node["attributes"]["alpha"] = 1 / 6
    assert Graph.from_json(document).key == graph.key


def test_infinity_is_written_so_that_every_reader_takes_it() -> None:
    minus = Constant(Tensor(()), (-math.inf,))
    made = Node("Clip", (0, 1), (Tensor((1, 4)),), (("alpha", math.inf), ("words", ("a", "b"))))
    graph = Graph((Tensor((1, 4)),), (minus,), (made,), (2,))
    again = Graph.from_json(json.loads(json.dumps(graph.to_json(), allow_nan=False)))
    assert again == graph
    assert again.key == graph.key


def test_skipped_outputs_keep_their_place() -> None:
    made = Node("LSTM", (0, 1, 2), (Tensor((1, 1, 4)),), (("hidden_size", 4),), (0,))
    graph = graph_of(made, (5, 1, 3), weights=((1, 16, 3), (1, 16, 4)))
    assert graph.nodes[0].given(["h"]) == ["", "h"]
    assert Graph.from_json(graph.to_json()) == graph
    assert "skipped" not in json.dumps(conv().to_json()), "keys of others stay as they are"
    with pytest.raises(UsageError, match="before the last"):
        Node("LSTM", (0, 1, 2), (Tensor((1, 1, 4)),), (), (1,))


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Node("Conv", (0,), (Tensor((1, 8, 8, 8)),)), "2 inputs"),
        (Node("Conv", (0, 0), (Tensor((1, 8)),)), "one rank"),
        (Node("Add", (0, 0, 0), (Tensor((1, 4, 8, 8)),)), "2 inputs"),
        (Node("MaxPool", (0,), (Tensor((1, 4, 8, 8)),), (("kernel_shape", "x"),)), "whole numbers as kernel_shape"),
        (Node("Transpose", (0,), (Tensor((1, 4, 8, 8)),), (("perm", (0, 0, 1, 2)),)), "an order of 4 axes"),
        (Node("Softmax", (0,), (Tensor((1, 4, 8, 8)),), (("axis", "last"),)), "a whole number as axis"),
        (Node("LSTM", (0, 0, 0), (Tensor((1, 4, 8, 8)),)), "rank 3"),
    ],
)
def test_nodes_that_cannot_be_are_refused(node: Node, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        graph_of(node, (1, 4, 8, 8))


@pytest.mark.parametrize(
    ("op", "groups", "weights", "channels", "is_valid"),
    [
        ("Conv", 1, (8, 4, 3, 3), 8, True),
        ("Conv", 2, (8, 2, 3, 3), 8, True),
        ("Conv", 3, (8, 2, 3, 3), 8, False),
        ("Conv", 2, (7, 2, 3, 3), 7, False),
        ("Conv", 1, (8, 3, 3, 3), 8, False),
        ("Conv", 1, (8, 4, 3, 3), 6, False),
        ("ConvTranspose", 2, (4, 3, 3, 3), 6, True),
        ("ConvTranspose", 2, (4, 3, 3, 3), 3, False),
        ("ConvTranspose", 3, (4, 3, 3, 3), 9, False),
    ],
)
def test_channels_of_a_convolution_fit_its_groups(
    op: str, groups: int, weights: tuple[int, ...], channels: int, is_valid: bool
) -> None:
    node = Node(op, (0, 1), (Tensor((1, channels, 6, 6)),), (("group", groups),))
    if is_valid:
        assert graph_of(node, (1, 4, 8, 8), weights=(weights,)).macs > 0
        return
    with pytest.raises(UsageError, match="groups of one size"):
        graph_of(node, (1, 4, 8, 8), weights=(weights,))


@pytest.mark.parametrize(
    ("kind", "values"), [("int64", (2**63,)), ("int32", (1.5,)), ("bool", (2,)), ("float32", (10**400,))]
)
def test_constants_hold_numbers_of_their_type(kind: str, values: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match=kind):
        Constant(Tensor((1,), kind), values)


def test_tensors_hold_fewer_numbers_than_can_be_counted() -> None:
    with pytest.raises(UsageError, match="2\\^63"):
        Tensor((2**40, 2**40))
