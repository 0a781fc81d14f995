"""Constants of an ONNX file that several nodes share, each given its own copy before the file is quantized."""

from __future__ import annotations

from typing import Any


def with_own_constants(model: Any) -> Any:
    """The model, an onnx.ModelProto that is changed, with a constant in place of every `Identity` of one.

    torch writes equal tensors, such as biases of zeros, once, and an `Identity` for each other use. A quantizer leaves
    these as they are, and onnxruntime computes a convolution whose bias is not quantized in 32-bit floats.
    """
    graph = model.graph
    known = {tensor.name: tensor for tensor in graph.initializer}
    results = {value.name for value in graph.output}
    remaining = []
    for node in graph.node:
        if node.op_type != "Identity" or node.input[0] not in known or node.output[0] in results:
            remaining.append(node)
            continue
        copied = graph.initializer.add()
        copied.CopyFrom(known[node.input[0]])
        copied.name = node.output[0]
        known[copied.name] = copied
    del graph.node[:]
    graph.node.extend(remaining)
    return model
