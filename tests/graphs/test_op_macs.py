"""Multiply-accumulates from kinds and shapes, beside those of latkit.graphs' own nodes."""

from __future__ import annotations

import pytest

from latkit.graphs import Node, Tensor, node_macs
from latkit.graphs.op_macs import op_macs


@pytest.mark.parametrize(
    ("kind", "inputs", "output"),
    [
        ("Conv", [(1, 8, 9, 9), (16, 4, 3, 3)], (1, 16, 7, 7)),
        ("ConvTranspose", [(1, 8, 9, 9), (8, 4, 2, 2)], (1, 4, 18, 18)),
        ("MatMul", [(2, 5, 6), (6, 7)], (2, 5, 7)),
        ("MatMul", [(3, 2, 5, 6), (3, 2, 6, 5)], (3, 2, 5, 5)),
        ("Gemm", [(5, 6), (6, 7)], (5, 7)),
        ("Relu", [(5, 6)], (5, 6)),
        ("LSTM", [(4, 1, 6), (1, 20, 6), (1, 20, 5)], (4, 1, 1, 5)),
    ],
)
def test_onnx_kinds_count_as_nodes_do(kind: str, inputs: list, output: tuple) -> None:
    node = Node(kind, tuple(range(len(inputs))), (Tensor(output),))
    assert op_macs(kind, inputs, [output]) == node_macs(node, [Tensor(shape) for shape in inputs])


@pytest.mark.parametrize(
    ("kind", "inputs", "output", "macs"),
    [
        ("CONV_2D", [(1, 9, 9, 8), (16, 3, 3, 8)], (1, 7, 7, 16), 7 * 7 * 16 * 9 * 8),
        ("DEPTHWISE_CONV_2D", [(1, 9, 9, 8), (1, 3, 3, 8)], (1, 7, 7, 8), 7 * 7 * 8 * 9),
        ("FULLY_CONNECTED", [(2, 8), (16, 8)], (2, 16), 2 * 16 * 8),
        ("TRANSPOSE_CONV", [(4,), (4, 2, 2, 8), (1, 9, 9, 8)], (1, 18, 18, 4), 81 * 8 * 16),
        ("QLinearConv", [(1, 8, 9, 9), (), (), (16, 8, 3, 3)], (1, 16, 7, 7), 49 * 16 * 72),
        ("MatMul", [(1, 4, 64)], (1, 4, 32), 4 * 32 * 64),  # packed weights
    ],
)
def test_other_kinds(kind: str, inputs: list, output: tuple, macs: int) -> None:
    assert op_macs(kind, inputs, [output]) == macs


@pytest.mark.parametrize(("kind", "inputs"), [("Conv", [(1, 8, 9, 9)]), ("Einsum", [(2, 2)]), ("Conv", [])])
def test_what_shapes_do_not_say_is_unknown(kind: str, inputs: list) -> None:
    assert op_macs(kind, inputs, [(1, 16, 7, 7)]) is None
