"""Static quantization of an ONNX model by onnxruntime: QDQ, weights per channel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Feed = Mapping[str, Any]
"""Inputs to calibrate on: values by the names of the model's inputs."""


def write_static(model: Any, path: Path, feeds: Iterator[Feed], **nodes: Sequence[str]) -> None:
    """Write the model in 8 bits, calibrated on the feeds. `nodes`: names as `nodes_to_quantize` or `nodes_to_exclude`.

    Activations are unsigned and weights signed.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        """The calibration inputs, one after the other."""

        def get_next(self) -> Feed | None:
            """The next one; None at the end."""
            return next(feeds, None)

    quantize_static(
        model,
        str(path),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        **nodes,
    )


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
