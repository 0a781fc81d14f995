"""Which operators of a TFLite file XNNPACK's kernels compute: both are in order, so they are aligned by kind.

LiteRT's profiler names kernels and not nodes. XNNPACK fuses activations into the kernel before and drops reshapes, so
some operators have no kernel. The alignment is used only if it accounts for every operator that multiplies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from latkit.graphs.op_macs import op_macs

KERNELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("DWConv", ("DEPTHWISE_CONV_2D",)),
    ("Deconvolution", ("TRANSPOSE_CONV",)),
    ("Convolution", ("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_3D")),
    ("Fully Connected", ("FULLY_CONNECTED", "CONV_2D", "BATCH_MATMUL")),
    ("Batch Matrix Multiply", ("BATCH_MATMUL", "FULLY_CONNECTED")),
    ("Add", ("ADD",)),
    ("Subtract", ("SUB",)),
    ("Multiply", ("MUL",)),
    ("Divide", ("DIV",)),
    ("Maximum", ("MAXIMUM", "RELU")),
    ("Minimum", ("MINIMUM",)),
    ("Max Pooling", ("MAX_POOL_2D",)),
    ("Average Pooling", ("AVERAGE_POOL_2D", "MEAN")),
    ("Mean", ("MEAN",)),
    ("Sum", ("SUM", "MEAN")),
    ("Sigmoid", ("LOGISTIC",)),
    ("Softmax", ("SOFTMAX",)),
    ("Tanh", ("TANH",)),
    ("GELU", ("GELU",)),
    ("HardSwish", ("HARD_SWISH",)),
    ("Clamp", ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1")),
    ("Leaky", ("LEAKY_RELU",)),
    ("PReLU", ("PRELU",)),
    ("Resize", ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")),
    ("Transpose", ("TRANSPOSE",)),
    ("Pad", ("PAD", "PADV2")),
    ("Concatenate", ("CONCATENATION",)),
    ("Slice", ("SLICE", "STRIDED_SLICE")),
    ("Copy", ("RESHAPE", "EXPAND_DIMS", "SQUEEZE")),
    ("Convert", ("QUANTIZE", "DEQUANTIZE", "CAST")),
)
"""The operators that a kernel may compute, by a part of its name; the first that fits."""

Tensors = Sequence[tuple[str, tuple[int, ...]]]
"""Element types and shapes."""


class Operator(Protocol):
    """An operator of a file: its kind, and the tensors that it takes and gives."""

    @property
    def kind(self) -> str:
        """By the name of the schema."""

    @property
    def inputs(self) -> Tensors:
        """Constants included."""

    @property
    def outputs(self) -> Tensors:
        """In order."""


MAX_CELLS = 4_000_000
"""Maximum product of both lengths: the alignment takes as many steps."""


def align(kernels: Sequence[str], operators: Sequence[Operator]) -> list[int | None]:
    """The operator's number for each kernel; None where none fits. All None if the alignment explains too little.

    The longest common subsequence, in which operators that multiply weigh most.
    """
    unknown: list[int | None] = [None] * len(kernels)
    if not kernels or not operators or len(kernels) * len(operators) > MAX_CELLS:
        return unknown
    multiplies = [bool(op_macs(op.kind, _shapes(op.inputs), _shapes(op.outputs))) for op in operators]
    kinds = [_kinds(kernel) for kernel in kernels]
    weights = [1000 if multiplying else 1 for multiplying in multiplies]
    best = _scores(kinds, operators, weights)
    found = _walk(best, kinds, operators, weights)
    explained = sum(multiplies[place] for place in found if place is not None)
    return found if explained == sum(multiplies) else unknown


def _scores(kinds: Sequence[tuple[str, ...]], operators: Sequence[Operator], weights: Sequence[int]) -> list[list[int]]:
    """Best total weight of kernels from i and operators from j on, by [i][j]."""
    best = [[0] * (len(operators) + 1) for _ in range(len(kinds) + 1)]
    for i in reversed(range(len(kinds))):
        row, below = best[i], best[i + 1]
        for j in reversed(range(len(operators))):
            score = max(below[j], row[j + 1])
            if operators[j].kind in kinds[i]:
                score = max(score, below[j + 1] + weights[j])
            row[j] = score
    return best


def _walk(
    best: list[list[int]], kinds: Sequence[tuple[str, ...]], operators: Sequence[Operator], weights: Sequence[int]
) -> list[int | None]:
    found: list[int | None] = []
    j = 0
    for i, known in enumerate(kinds):
        while j < len(operators) and best[i][j] == best[i][j + 1] and operators[j].kind not in known:
            j += 1
        while (
            j < len(operators)
            and best[i][j] > best[i + 1][j]
            and (operators[j].kind not in known or best[i][j] != best[i + 1][j + 1] + weights[j])
        ):
            j += 1
        takes = j < len(operators) and operators[j].kind in known and best[i][j] == best[i + 1][j + 1] + weights[j]
        found.append(j if takes else None)
        j += takes
    return found


def _kinds(kernel: str) -> tuple[str, ...]:
    return next((kinds for part, kinds in KERNELS if part in kernel), ())


def _shapes(tensors: Tensors) -> list[tuple[int, ...]]:
    return [shape for _, shape in tensors]
