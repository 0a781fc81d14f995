"""Multiply-accumulates of an executed op from its kind and shapes alone, as a runtime's profile gives them.

`latkit.graphs.onnx.macs` counts those of a graph's nodes, with their attributes. A profile has no attributes, so that
what cannot be known from shapes is None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Shape = tuple[int, ...]
Shapes = Sequence[Shape]


def op_macs(kind: str, inputs: Shapes, outputs: Shapes) -> int | None:
    """Multiply-accumulates of one call. 0 for an op that multiplies nothing; None if shapes are missing or do not fit.

    `kind`: an operator of ONNX, of onnxruntime's own domain, or of TFLite. Constants count as inputs.
    """
    counted = _COUNTED.get(kind)
    if counted is None:
        return None if kind in _UNKNOWN or not outputs else 0
    try:
        return max(counted(inputs, outputs), 0)
    except (IndexError, ZeroDivisionError):
        return None


def _convolution(place: int) -> Callable[[Shapes, Shapes], int]:
    """A convolution whose weights are (out, in / groups, *kernel) at that input."""

    def count(inputs: Shapes, outputs: Shapes) -> int:
        return math.prod(outputs[0]) * math.prod(_weights(inputs[place], 3)[1:])

    return count


def _transposed(place: int, data: int) -> Callable[[Shapes, Shapes], int]:
    """A transposed convolution: every element of the input meets the weights once per channel of the output."""

    def count(inputs: Shapes, _outputs: Shapes) -> int:
        return math.prod(inputs[data]) * math.prod(_weights(inputs[place], 3)[1:])

    return count


def _product(right: int) -> Callable[[Shapes, Shapes], int]:
    """A matrix product of input 0 and that input; either may be transposed by an attribute."""

    def count(inputs: Shapes, outputs: Shapes) -> int:
        left, made = inputs[0], outputs[0]
        other = inputs[right] if right < len(inputs) else ()  # packed weights have no shape any more
        if len(left) < 2 or len(other) < 2:
            return math.prod(made) * left[-1]
        inner = left[-1] if left[-1] in other[-2:] else left[-2]
        return math.prod(made) * inner

    return count


def _dense(inputs: Shapes, outputs: Shapes) -> int:
    """A dense layer with weights (out, in)."""
    return math.prod(outputs[0]) * _weights(inputs[1], 2)[1]


def _gemm(inputs: Shapes, outputs: Shapes) -> int:
    return math.prod(outputs[0]) * (math.prod(inputs[0]) // outputs[0][0])


def _depthwise(inputs: Shapes, outputs: Shapes) -> int:
    """TFLite's depthwise convolution, with weights (1, height, width, out)."""
    return math.prod(outputs[0]) * math.prod(_weights(inputs[1], 4)[1:3])


def _recurrent(inputs: Shapes, _outputs: Shapes) -> int:
    return math.prod(inputs[0][:-1]) * (math.prod(inputs[1]) + math.prod(inputs[2]))


def _weights(shape: Shape, minimum: int) -> Shape:
    if len(shape) < minimum:
        raise IndexError(shape)
    return shape


_COUNTED: dict[str, Callable[[Shapes, Shapes], int]] = {
    **dict.fromkeys(("Conv", "FusedConv", "ConvInteger", "NhwcFusedConv"), _convolution(1)),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed(1, 0),
    **dict.fromkeys(("MatMul", "FusedMatMul", "MatMulInteger", "MatMulIntegerToFloat"), _product(1)),
    **dict.fromkeys(("DynamicQuantizeMatMul", "TransposeMatMul", "BATCH_MATMUL"), _product(1)),
    "QLinearMatMul": _product(3),
    **dict.fromkeys(("Gemm", "FusedGemm", "QGemm"), _gemm),
    **dict.fromkeys(("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"), _recurrent),
    "CONV_2D": _convolution(1),
    "CONV_3D": lambda inputs, outputs: math.prod(outputs[0]) * math.prod(_weights(inputs[1], 5)[:4]),
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "TRANSPOSE_CONV": lambda inputs, _outputs: math.prod(inputs[2]) * math.prod(_weights(inputs[1], 4)[:3]),
}
"""Count of each kind that multiplies. TFLite's weights of CONV_2D are (out, height, width, in)."""

_UNKNOWN = frozenset(
    {
        *("Einsum", "Attention", "MultiHeadAttention", "GroupQueryAttention", "QAttention", "PackedAttention"),
        *("DecoderMaskedMultiHeadAttention", "MatMulNBits", "MatMulBnb4", "MoE", "QMoE"),
        *("DFT", "STFT"),
        *("STABLEHLO_COMPOSITE", "CALL_ONCE", "WHILE", "IF", "SVDF", "DELEGATE"),
        *("UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM"),
    }
)
"""Kinds that multiply, but not as often as their shapes alone say. Nodes inside a loop are ops of their own."""
