"""The nodes of a file that an op of onnxruntime computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from latkit.runtimes.base import ExecutedOp, FileNode
from latkit.runtimes.onnx.op_names import OpNames, base_kind
from latkit.runtimes.onnx.session import optimized_graphs

NODES = (
    FileNode("/0/Conv", "Conv", ("x", "w0"), ("/0/Conv_output_0",)),
    FileNode("/1/Clip", "Clip", ("/0/Conv_output_0",), ("/1/Clip_output_0",)),
    FileNode("/2/MatMul", "MatMul", ("/1/Clip_output_0", "w2"), ("/2/MatMul_output_0",)),
    FileNode("/2/Add", "Add", ("/2/MatMul_output_0", "b2"), ("y",)),
)


@pytest.mark.parametrize(
    ("name", "kind", "nodes"),
    [
        ("/0/Conv", "Conv", ("/0/Conv",)),
        ("fused /0/Conv", "FusedConv", ("/0/Conv",)),
        ("/0/Conv_token_37", "QLinearConv", ("/0/Conv",)),
        ("/1/Clip_output_0_nchwc", "Conv", ("/0/Conv", "/1/Clip")),
        ("/2/MatMul/MatMulAddFusion", "Gemm", ("/2/MatMul",)),
        ("/2/MatMul_quant", "MatMulIntegerToFloat", ("/2/MatMul",)),
        ("ReorderOutput_token_3", "ReorderOutput", ()),
        ("", "Cast", ()),
    ],
)
def test_nodes_are_found_by_derived_names(name: str, kind: str, nodes: tuple[str, ...]) -> None:
    assert OpNames(NODES)(ExecutedOp(name, kind, "CPUExecutionProvider")) == nodes


def test_operators_of_the_runtime_stand_for_those_of_onnx() -> None:
    kinds = ("Conv", "NhwcFusedConv", "QLinearConv", "ConvInteger", "MatMulIntegerToFloat", "QGemm", "Quantize")
    assert [base_kind(kind) for kind in kinds] == ["Conv"] * 4 + ["MatMul", "Gemm", "Quantize"]


def test_every_convolution_of_a_fused_graph_is_found(tmp_path: Path) -> None:
    """The graph that onnxruntime itself writes, in blocks of channels where the processor has them."""
    rng, nodes, weights, value = np.random.default_rng(0), [], [], "x"
    for number, kind in enumerate(("Clip", "Relu", "HardSigmoid")):
        values = rng.standard_normal((16, 16, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"w{number}"))
        nodes.append(helper.make_node("Conv", [value, f"w{number}"], [f"c{number}"], f"conv{number}", pads=[1] * 4))
        nodes.append(helper.make_node(kind, [f"c{number}"], [f"a{number}"], f"activation{number}"))
        value = f"a{number}"
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 16, 8, 8]) for name in ("x", value))
    path = tmp_path / "chain.onnx"
    graph = helper.make_graph(nodes, "chain", [x], [y], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    found = OpNames([FileNode(node.name, node.op_type, tuple(node.input), tuple(node.output)) for node in nodes])
    for model in optimized_graphs(path):
        convolutions = [node for node in model.graph.node if base_kind(node.op_type) == "Conv"]
        computed = [found(ExecutedOp(node.name, node.op_type, "")) for node in convolutions]
        assert [names[0] for names in computed] == ["conv0", "conv1", "conv2"]
