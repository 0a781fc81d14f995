"""Nodes of TFLite: operators by the names of its schema, such as `CONV_2D`; images are (N, H, W, C)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from latkit.errors import UsageError
from latkit.graphs.node import ABSENT, MAX_ELEMENTS, Node, Tensor
from latkit.graphs.node_rules import NodeRules
from latkit.graphs.op_macs import op_macs

CONVOLUTIONS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"})
POOLS = frozenset({"MAX_POOL_2D", "AVERAGE_POOL_2D"})
PRODUCTS = frozenset({"FULLY_CONNECTED", "BATCH_MATMUL"})
VIEWS = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
"""Operators that only change the shape; XNNPACK copies nothing for them."""

BINARY = frozenset(
    {"ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "POW", "SQUARED_DIFFERENCE", "FLOOR_DIV", "FLOOR_MOD", "PRELU"}
)
"""Elementwise operators on two tensors."""

REDUCTIONS = frozenset({"MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"})

OPTIONS, VERSION = "options", "version"
"""Attributes beside those of the operator: the name of its table of options, and the release of the operator."""

SCALES, APART = "scales", "apart"
"""Attribute of an operator in 8 bits whose scales are too far apart for XNNPACK: TFLite's own kernel computes it.

In a graph only: the scales say it in a file. It is part of the key, which has no scales.
"""

SCALE_RANGES = {
    "ADD": (2**-10, 2**8),
    "SUB": (2**-10, 2**8),
    "MUL": (2**-16, 2**8),
    "QUANTIZE": (2**-8, 2**7),
}
"""The scale of an operand over that of the output, of a product that of both operands, from which on XNNPACK computes
the operator, and from which on it does not (`xnnpack_delegate.cc`)."""

_RANKS: dict[str, tuple[int | None, ...]] = {
    **dict.fromkeys(CONVOLUTIONS, (4, 4)),
    **dict.fromkeys(POOLS, (4,)),
    "FULLY_CONNECTED": (None, 2),
    "BATCH_MATMUL": (None, None),
    "TRANSPOSE_CONV": (1, 4, 4),
    "TRANSPOSE": (None, 1),
    **dict.fromkeys(BINARY, (None, None)),
    **dict.fromkeys(REDUCTIONS | VIEWS, (None,)),
}
"""Ranks of the first inputs, which must be there; None for any."""


def _normalize(node: Node, tensors: Sequence[Tensor], _opset: int) -> Node:
    """The reader leaves out attributes that have the schema's default; what scales decide is added."""
    if node.op not in SCALE_RANGES:
        return node
    others = tuple(setting for setting in node.attributes if setting[0] != SCALES)
    return replace(node, attributes=(*others, (SCALES, APART)) if _are_apart(node, tensors) else others)


def _are_apart(node: Node, tensors: Sequence[Tensor]) -> bool:
    """Whether XNNPACK rejects the scales of an operator of tensors in 8 bits."""
    known = [tensors[number] for number in node.inputs if number != ABSENT] + [*node.outputs[:1]]
    scales = [one.quantization.scale for one in known if one.quantization is not None and one.type in ("int8", "uint8")]
    if len(scales) < len(known) or len(scales) < 2:
        return False
    *given, output = scales
    smallest, too_large = SCALE_RANGES[node.op]
    ratios = [math.prod(given) / output] if node.op == "MUL" else [scale / output for scale in given]
    return not all(smallest <= ratio < too_large for ratio in ratios)


def _check(node: Node, tensors: Sequence[Tensor]) -> None:
    ranks = _RANKS.get(node.op, ())
    if len(node.inputs) < len(ranks) or ABSENT in node.inputs[: len(ranks)]:
        raise UsageError(f"{node.op[:50]}: expected {len(ranks)} inputs, but found {len(node.inputs)}")
    shapes = [tensors[number].shape for number in node.inputs[: len(ranks)]]
    for shape, rank in zip(shapes, ranks, strict=True):
        if rank is not None and len(shape) != rank:
            raise UsageError(f"{node.op[:50]}: expected an input of rank {rank}, but found {str(shape)[:200]}")
    images = node.op in CONVOLUTIONS or node.op in POOLS or node.op == "TRANSPOSE_CONV"
    if images and len(node.outputs[0].shape) != 4:
        raise UsageError(f"{node.op}: expected an image as its output, but found {node.outputs[0].shape}")
    if node.op in CONVOLUTIONS and not _has_whole_groups(node, *shapes):
        raise UsageError(
            f"{node.op}: expected channels that fit the weights {shapes[1]}, but found {shapes[0][3]} input and "
            f"{node.outputs[0].shape[3]} output channels"
        )
    if node.op in PRODUCTS and not all(shapes):
        raise UsageError(f"{node.op}: expected matrices, but found {shapes}")
    for name, value in node.attributes:
        if name in _INTEGERS and type(value) is not int:
            raise UsageError(f"{node.op[:50]}: expected a whole number as {name}, but found {str(value)[:50]!r}")


def _has_whole_groups(node: Node, image: tuple[int, ...], weights: tuple[int, ...]) -> bool:
    """Whether a convolution's channels are those of its weights, in groups of one size, as runtimes expect."""
    given, made = image[3], node.outputs[0].shape[3]
    if node.op == "DEPTHWISE_CONV_2D":
        return made == weights[3] and given > 0 and made % given == 0
    groups = given // max(weights[3], 1)
    return made == weights[0] and groups > 0 and given == groups * weights[3] and made % groups == 0


_INTEGERS = frozenset(
    {"strideW", "strideH", "dilationWFactor", "dilationHFactor", "padding", "filterWidth", "filterHeight", "adjX"}
    | {"adjY", "axis", VERSION}
)


def _macs(node: Node, tensors: Sequence[Tensor]) -> int:
    inputs = [tensors[number].shape if number != ABSENT else () for number in node.inputs]
    found = op_macs(node.op, inputs, [tensor.shape for tensor in node.outputs])
    return min(found or 0, MAX_ELEMENTS)


RULES = NodeRules(_normalize, _check, _macs)
"""The operators of TFLite's schema."""
