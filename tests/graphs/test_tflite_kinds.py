"""Units of TFLite."""

from dataclasses import replace

import pytest
from ai_edge_litert.interpreter import Interpreter

from latkit.errors import UsageError
from latkit.graphs import Constant, Graph, Node, Quantization, Tensor
from latkit.graphs.dialects import variants_of
from latkit.graphs.tflite.builder import TFLiteBuilder
from latkit.graphs.tflite.kinds import units
from latkit.latency_models.kernels.sampling_plan import plan
from latkit.runtimes.litert.write import write_tflite


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


def in_scales(op: str, *scales: float) -> Graph:
    """An operator of tensors of these scales; the last is that of its output."""
    *given, made = (Tensor((1, 4, 4, 8), "int8", Quantization(None, scale)) for scale in scales)
    node = Node(op, tuple(range(len(given))), (made,), (("options", f"{op.capitalize()}Options"),))
    return Graph(tuple(given), (), (node,), (len(given),), dialect="tflite")


def is_delegated(graph: Graph) -> bool:
    """Whether XNNPACK computes it."""
    interpreter = Interpreter(model_content=write_tflite(graph, 0), num_threads=1)
    interpreter.allocate_tensors()
    return any(op["op_name"] == "DELEGATE" for op in interpreter._get_ops_details())


SUM_SCALES = ((1.0, 2**-9.9), (2**-10.1, 1.0), (1.0, 2**7.9), (2**8.1, 1.0))
PRODUCT_SCALES = ((2**-8, 2**-7.9), (2**-8, 2**-8.1), (2**7.9, 1.0), (2**8.1, 1.0))


@pytest.mark.parametrize(
    ("op", "scales"),
    [
        *((op, scales) for op in ("ADD", "SUB") for scales in SUM_SCALES),
        *(("MUL", scales) for scales in PRODUCT_SCALES),
        *(("QUANTIZE", (2**power,)) for power in (-8.1, -7.9, 6.9, 7.1)),
    ],
)
def test_a_kind_says_whether_xnnpack_takes_its_scales(op: str, scales: tuple[float, ...]) -> None:
    graph = in_scales(op, *scales, 1.0)
    (unit,) = units(graph)
    assert unit.kind.endswith("_builtin") != is_delegated(graph)
    assert (graph.key == in_scales(op, *(1.0 for _ in scales), 1.0).key) == is_delegated(graph)
    assert Graph.from_json(graph.to_json()) == graph


def with_constant(graph: Graph) -> Graph:
    """The graph with a constant in place of its second input."""
    first, second = graph.inputs
    constant = Constant(replace(second, shape=(1,)))
    return replace(graph, inputs=(first,), constants=(constant,))


@pytest.mark.parametrize(
    ("graph", "kind"),
    [
        (in_scales("ADD", 1.0, 0.5, 0.1), "add_int8"),
        (in_scales("SUB", 1.0, 0.5, 0.1), "sub_int8"),
        (with_constant(in_scales("ADD", 1.0, 0.5, 0.1)), "add_scalar_int8"),
        (with_constant(in_scales("SUB", 1.0, 0.5, 0.1)), "sub_scalar_int8"),
        (in_scales("QUANTIZE", 1.0, 0.1), "quantize_int8"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sums_are_measured_with_scales_that_xnnpack_takes_and_with_others(graph: Graph, kind: str) -> None:
    (rejected,) = variants_of(graph)
    (taken,) = variants_of(rejected)
    assert is_delegated(graph)
    assert is_delegated(taken)
    assert not is_delegated(rejected)
    assert taken.key == graph.key
    for first in (graph, rejected):
        assert {spec.kind for spec in plan([first], ()).kernels} == {kind, f"{kind}_builtin"}


def test_light_work_beside_a_sum_stays_with_it() -> None:
    graph = in_scales("ADD", 1.0, 0.5, 0.1)
    (added,) = graph.nodes
    clamped = Node("RELU", (2,), added.outputs, ())
    beside = replace(graph, nodes=(added, clamped))
    (rejected,) = variants_of(beside)
    assert [unit.kind for unit in units(beside)] == ["add_int8", "relu_int8"]
    assert [unit.kind for unit in units(rejected)] == ["add_int8_builtin", "relu_int8"]
    assert variants_of(rejected)[0].key == beside.key
    after = (replace(clamped, inputs=(0,)), replace(added, inputs=(2, 1)))
    assert not variants_of(replace(graph, nodes=after))


def test_no_other_kernel_is_measured_with_other_scales() -> None:
    assert not variants_of(in_scales("MUL", 1.0, 0.5, 0.1))
    assert not variants_of(silu())


def test_a_product_in_scales_that_xnnpack_rejects_is_no_part_of_silu() -> None:
    graph, small = in_8_bits(silu()), Quantization(None, 2.0**-20)
    nodes = [replace(n, outputs=tuple(replace(t, quantization=small) for t in n.outputs)) for n in graph.nodes]
    inputs = tuple(replace(t, quantization=small) for t in graph.inputs)
    scaled = replace(graph, inputs=inputs, nodes=tuple(nodes))
    assert [unit.kind for unit in units(scaled)] == ["logistic_int8", "mul_int8_builtin"]


def depthwise(kernel: int) -> Graph:
    b = TFLiteBuilder()
    return b.graph([b.conv(b.input(1, 8, 16, 16), 8, kernel, 1, 8)])


@pytest.mark.parametrize(("kernel", "kind"), [(3, ""), (5, ""), (6, "_wide"), (7, "_wide")])
def test_depthwise_convolutions_without_a_kernel_of_their_own_are_a_kind(kernel: int, kind: str) -> None:
    assert units(depthwise(kernel))[-1].kind == f"depthwise_conv_2d{kind}"
    assert units(in_8_bits(depthwise(kernel)))[-1].kind == f"depthwise_conv_2d{kind}_int8"


@pytest.mark.parametrize(
    ("op", "weights", "channels", "is_valid"),
    [
        ("CONV_2D", (8, 3, 3, 4), 8, True),
        ("CONV_2D", (8, 3, 3, 2), 8, True),
        ("CONV_2D", (8, 3, 3, 3), 8, False),
        ("CONV_2D", (7, 3, 3, 2), 7, False),
        ("CONV_2D", (8, 3, 3, 4), 6, False),
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 8), 8, True),
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 6), 6, False),
    ],
)
def test_channels_of_a_convolution_fit_its_weights(
    op: str, weights: tuple[int, ...], channels: int, is_valid: bool
) -> None:
    def made() -> Graph:
        node = Node(op, (0, 1), (Tensor((1, 6, 6, channels)),))
        return Graph((Tensor((1, 8, 8, 4)),), (Constant(Tensor(weights)),), (node,), (2,), dialect="tflite")

    if is_valid:
        assert made().macs > 0
        return
    with pytest.raises(UsageError, match="channels that fit the weights"):
        made()
