"""Units of TFLite."""

from dataclasses import replace

from latkit.graphs import Graph
from latkit.graphs.tflite.builder import TFLiteBuilder
from latkit.graphs.tflite.kinds import units


def silu() -> Graph:
    b = TFLiteBuilder()
    return b.graph([b.activation("silu", b.input(1, 8, 4, 4))])


def in_8_bits(graph: Graph) -> Graph:
    nodes = [replace(node, outputs=tuple(replace(t, type="int8") for t in node.outputs)) for node in graph.nodes]
    return replace(graph, inputs=tuple(replace(t, type="int8") for t in graph.inputs), nodes=tuple(nodes))


def test_a_tensor_times_its_sigmoid_is_one_unit_in_8_bits() -> None:
    assert [(unit.kind, unit.members) for unit in units(in_8_bits(silu()))] == [("silu_int8", (0, 1))]
    assert [unit.kind for unit in units(silu())] == ["logistic", "mul"]


def test_a_gate_of_another_tensor_is_not() -> None:
    b = TFLiteBuilder()
    x, y = b.input(1, 8, 4, 4), b.input(1, 8, 4, 4)
    gated = in_8_bits(b.graph([b.binary("Mul", x, b.unary("Sigmoid", y))]))
    assert [unit.kind for unit in units(gated)] == ["logistic_int8", "mul_int8"]
