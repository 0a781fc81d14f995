"""Inputs whose values determine an operator's output shape: these values belong to the graph, even for weights."""

from __future__ import annotations

from latkit.graphs.graph import Graph
from latkit.graphs.onnx.defaults import REDUCTIONS

SHAPE_INPUTS: dict[str, tuple[int, ...]] = {
    "AffineGrid": (1,),
    "BlackmanWindow": (0,),
    "CenterCropPad": (1,),
    "Col2Im": (1, 2),
    "Compress": (1,),
    "ConstantOfShape": (0,),
    "DFT": (1, 2),
    "Expand": (1,),
    "HammingWindow": (0,),
    "HannWindow": (0,),
    "MaxUnpool": (2,),
    "OneHot": (1,),
    "Pad": (1, 3),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "STFT": (1, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Unsqueeze": (1,),
    "Upsample": (1,),
    **dict.fromkeys(REDUCTIONS, (1,)),
}
"""Positions of those inputs, by operator."""


def undetermined_op(graph: Graph) -> str:
    """The operator whose output shape depends on a constant without values; empty where there is none.

    Earlier versions lost the scales of Resize: their written and timed graphs had arbitrary sizes.
    """
    for node in graph.nodes:
        for place in SHAPE_INPUTS.get(node.op, ()):
            constant = graph.constant(node.inputs[place]) if place < len(node.inputs) else None
            if constant is not None and constant.values is None and constant.tensor.elements:
                return node.op
    return ""
