"""Quantized ONNX files (QDQ): a node in 8 bits stands between operators that dequantize and quantize."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from onnx import numpy_helper

QUANTIZERS = frozenset({"QuantizeLinear", "DequantizeLinear"})


def scale_names(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """Names of scales and zero points."""
    return {name for node in nodes if node.op_type in QUANTIZERS for name in node.input[1:]}


def quantization_constants(nodes: Sequence[onnx.NodeProto]) -> set[str]:
    """Names of scales, zero points and quantized biases: their values do not affect latency."""
    return scale_names(nodes) | {node.input[0] for node in nodes if node.op_type == "DequantizeLinear"}


def with_own_dequantization(
    nodes: Sequence[onnx.NodeProto], values: dict[str, onnx.ValueInfoProto]
) -> list[onnx.NodeProto]:
    """The nodes with a dequantization of its own for every consumer, as onnxruntime duplicates them before it fuses.

    `values` gets the types of the copies.
    """
    consumers = Counter(name for node in nodes for name in set(node.input))
    shared = {
        node.output[0]: node for node in nodes if node.op_type == "DequantizeLinear" and consumers[node.output[0]] > 1
    }
    given: set[str] = set()
    found: list[onnx.NodeProto] = []
    for place, node in enumerate(nodes):
        for name in dict.fromkeys(name for name in node.input if name in shared and name in given):
            copy, own = onnx.NodeProto(), f"{name}/{place}"
            copy.CopyFrom(shared[name])
            copy.output[0], copy.name = own, own
            values[own] = values[name]
            node.input[:] = [own if taken == name else taken for taken in node.input]
            found.append(copy)
        given |= set(node.input) & shared.keys()
        found.append(node)
    return found


BIAS_TOLERANCE = 0.07
"""Maximum relative difference between a bias's scale and the product of the scales of input and weights."""


def float_sums(nodes: Sequence[onnx.NodeProto], stored: dict[str, onnx.TensorProto]) -> set[str]:
    """Scales of biases that keep onnxruntime from computing a convolution or a product in 8 bits; each gets its own.

    Integers are summed in the scale of input times weights. A bias that two convolutions share is in that of one of
    them: the other computes in floats. Their dequantizations, of one consumer each, are changed, and `stored` gets the
    scales.
    """
    dequantized = {node.output[0]: node for node in nodes if node.op_type == "DequantizeLinear"}
    found: set[str] = set()
    for node in nodes:
        before = [dequantized[name] for name in node.input if name in dequantized]
        if (
            node.op_type not in ("Conv", "Gemm")
            or len(before) != 3
            or any(one.input[1] not in stored for one in before)
        ):
            continue
        given, weights, bias = (numpy_helper.to_array(stored[one.input[1]]).astype(np.float64) for one in before)
        if not np.allclose(bias, given * weights, rtol=BIAS_TOLERANCE, atol=0):
            own = f"{before[2].output[0]}/scale"
            stored[own] = numpy_helper.from_array(np.array(1, np.float32), own)
            before[2].input[1] = own
            found.add(own)
    return found
