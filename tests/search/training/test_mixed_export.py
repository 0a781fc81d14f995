"""A network of several precisions is written as it was trained: rounding where its ops say so."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch

from latkit.nn import build_module
from latkit.ops import Network, make_op
from latkit.search import SearchSettings, load_data
from latkit.search.supernet.low_precision import network_computed_in
from latkit.search.training.exports import export


def test_the_file_of_a_mixed_network_quantizes_its_int8_ops_alone(tmp_path: Path) -> None:
    data = load_data("digits", 8, 1)
    first = make_op("conv", (1, 8, 8), out_channels=8)
    second = make_op("conv", (8, 8, 8), out_channels=8).in_precision("int8")
    pool = make_op("pool", second.output_shape)
    network = Network((first, second, pool, make_op("linear", (8,), out_features=10)))
    torch.manual_seed(0)
    module = network_computed_in(build_module(network), network).eval()
    facts, _ = export(tmp_path, network, module, data, SearchSettings.make(export_tflite=False))
    assert facts["onnx"].agreement > 0.9
    (path,) = tmp_path.glob("*.onnx")
    convolutions = [node for node in onnx.load(path).graph.node if node.op_type == "Conv"]
    dequantized = {node.output[0] for node in onnx.load(path).graph.node if node.op_type == "DequantizeLinear"}
    assert [node.input[0] in dequantized for node in convolutions] == [False, True]
