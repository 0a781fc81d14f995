"""What onnxruntime reports of fusion: kernels read from the graph that it writes after optimization."""

from __future__ import annotations

import pytest

from latkit.graphs import Graph, GraphBuilder
from latkit.graphs.reported import FusionReport, agreement, reported_rules
from latkit.runtimes import get_runtime
from latkit.runtimes.base import ExecutedOp
from latkit.runtimes.onnx.session import optimized_graphs

RUNTIME = get_runtime("onnxruntime")


def residual() -> Graph:
    b = GraphBuilder()
    x = b.activation("relu", b.conv(b.input(1, 3, 16, 16), 16, 3))
    x = b.activation("silu", b.binary("Add", b.conv(x, 16, 3), x))
    return b.graph([b.softmax(b.linear(b.reshape(b.global_pool(x), 1, 16), 10))], "residual")


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Graph, FusionReport]:
    """A graph, and the report on a device that executes what onnxruntime writes on this machine."""
    graph, path = residual(), tmp_path_factory.mktemp("report") / "graph.onnx"
    RUNTIME.export_for_report(graph, path)
    nodes = next(iter(optimized_graphs(path))).graph.node
    executed = [ExecutedOp(node.name, node.op_type, "CPUExecutionProvider") for node in nodes]
    assert RUNTIME.fusion_report(graph, path, executed[1:]) is None, "another graph than the device's"
    report = RUNTIME.fusion_report(graph, path, executed)
    assert report is not None
    return graph, report


def test_the_report_tells_what_is_fused(reported: tuple[Graph, FusionReport]) -> None:
    graph, report = reported
    place = {node.op: number for number, node in reversed([*enumerate(graph.nodes)])}
    assert report.fuses([place["Conv"]], [place["Relu"]])
    assert report.fuses([place["MatMul"]], [place["MatMul"] + 1])
    assert not report.fuses([place["MatMul"] + 1], [place["Softmax"]])
    assert not report.fuses([place["Relu"]], [place["Relu"] + 1]), "an activation is not part of the next convolution"
    assert {member for kernel in report.kernels for member in kernel.members} == {*range(len(graph.nodes))}
    assert FusionReport(()).fuses([0], [1]) is None


def test_rules_and_agreement_follow_from_the_report(reported: tuple[Graph, FusionReport]) -> None:
    graph, report = reported
    rules = reported_rules([reported], {}, 4)
    assert rules["conv_image", "relu"]
    holding = [rule for rule, fused in rules.items() if fused]
    assert agreement(graph, holding, report).percent == 100
    without = agreement(graph, [], report)
    assert 0 < without.agreeing < without.neighbors
    assert reported_rules([reported], {("conv_image", "relu"): False}, 4)["conv_image", "relu"] is False, (
        "known rules stay"
    )
