"""Quantized ONNX files (QDQ): a node in 8 bits stands between operators that dequantize and quantize."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import onnx

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
