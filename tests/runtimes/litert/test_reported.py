"""What LiteRT reports of fusion: XNNPACK's kernels, aligned with the operators."""

from __future__ import annotations

from itertools import islice

import pytest

from latkit.graphs import Graph
from latkit.graphs.generators import networks
from latkit.runtimes.base import ExecutedOp
from latkit.runtimes.litert.reported import report_of

NAMES = {
    "CONV_2D": "Convolution (NHWC, F32) IGEMM",
    "DEPTHWISE_CONV_2D": "Convolution (NHWC, F32) DWConv",
    "FULLY_CONNECTED": "Fully Connected (NC, F32) GEMM",
    "PAD": "Constant Pad (ND, X32)",
    "MUL": "Multiply (ND, F32)",
}
"""XNNPACK's names of kernels."""


@pytest.fixture(scope="module")
def graph() -> Graph:
    """A network of latkit's own with a padding before a convolution."""
    return next(one for one in islice(networks(0, "tflite"), 4) if padding_of(one) is not None)


def padding_of(graph: Graph) -> int | None:
    ops = [node.op for node in graph.nodes]
    return next((place for place in range(len(ops)) if ops[place : place + 2] == ["PAD", "CONV_2D"]), None)


def executed(graph: Graph, left_out: str) -> list[ExecutedOp]:
    """Kernels of XNNPACK's of the operators that it has a name for above; the interpreter executes the others."""
    return [
        ExecutedOp(f"k{place}", NAMES[node.op], "XNNPACK")
        if node.op in NAMES
        else ExecutedOp(str(place), node.op, "tflite")
        for place, node in enumerate(graph.nodes)
        if node.op not in (left_out, "RESHAPE")
    ]


def test_a_padding_without_a_kernel_is_its_consumers(graph: Graph) -> None:
    padding = padding_of(graph)
    assert padding is not None
    fused, separate = (
        report_of(graph, executed(graph, "PAD"), "tflite"),
        report_of(graph, executed(graph, ""), "tflite"),
    )
    assert fused is not None
    assert fused.fuses([padding], [padding + 1]) is True
    assert separate is not None
    assert separate.fuses([padding], [padding + 1]) is False


def test_kernels_that_do_not_account_for_the_operators_report_nothing(graph: Graph) -> None:
    assert report_of(graph, executed(graph, "CONV_2D"), "tflite") is None
