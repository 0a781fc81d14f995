"""Kernels in 8 bits with other scales, where these decide what computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from latkit.graphs.graph import Graph
from latkit.graphs.node import Quantization
from latkit.graphs.tflite.nodes import SCALE_RANGES, SCALES

SUMS = ("ADD", "SUB")


def with_scales_apart(kernel: Graph) -> Sequence[Graph]:
    """A sum of two tensors in 8 bits, the second too small for XNNPACK, as with a layer scale that was hardly trained.

    Nothing for other kernels.
    """
    (node, *others) = kernel.nodes
    if others or node.op not in SUMS or node.get(SCALES) or len(set(node.inputs)) < 2:
        return ()
    *_, number = node.inputs
    output = node.outputs[0].quantization
    if number >= len(kernel.inputs) or kernel.inputs[number].quantization is None or output is None:
        return ()
    small = Quantization(None, output.scale * SCALE_RANGES[node.op][0] / 2)
    inputs = tuple(replace(t, quantization=small) if n == number else t for n, t in enumerate(kernel.inputs))
    return (replace(kernel, inputs=inputs),)
