"""Kernels in 8 bits with other scales, where these decide what computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from latkit.graphs.graph import Graph
from latkit.graphs.node import Quantization, Tensor
from latkit.graphs.tflite.nodes import SCALE_RANGES, SCALES

VARIED = ("ADD", "SUB", "QUANTIZE")
"""Operators that networks have in scales of both kinds."""


def with_other_scales(kernel: Graph) -> Sequence[Graph]:
    """A sum, or a change of scale, in 8 bits: for XNNPACK where TFLite's own kernel computes it, and the reverse.

    Light work beside it, such as a padding, stays. Nothing for other kernels. Networks have both: with a layer scale
    that was hardly trained, or a small constant, the scales are too far apart for XNNPACK.
    """
    varied = [node for node in kernel.nodes if node.op in VARIED]
    if len(varied) != 1:
        return ()
    (node,) = varied
    operands, output = set(node.inputs), node.outputs[0].quantization
    is_given = max(operands) < len(kernel.inputs) + len(kernel.constants)
    if output is None or not is_given or len(operands) < len(node.inputs):
        return ()
    changed = operands if node.get(SCALES) else {node.inputs[-1]}
    scale = output.scale * (1.0 if node.get(SCALES) else SCALE_RANGES[node.op][0] / 2)

    def rescaled(tensor: Tensor, number: int) -> Tensor:
        is_changed = number in changed and tensor.quantization is not None
        return replace(tensor, quantization=Quantization(None, scale)) if is_changed else tensor

    inputs = tuple(rescaled(tensor, number) for number, tensor in enumerate(kernel.inputs))
    constants = tuple(
        replace(constant, tensor=rescaled(constant.tensor, number))
        for number, constant in enumerate(kernel.constants, len(inputs))
    )
    variant = replace(kernel, inputs=inputs, constants=constants)
    return (variant,) if variant.key != kernel.key else ()
