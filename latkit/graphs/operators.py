"""Operators of ONNX by what their cost depends on."""

from __future__ import annotations

VIEWS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"})
"""Operators that give the same numbers under another shape; a runtime copies nothing for them."""

UNARY = frozenset(
    {"Relu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Erf", "Sqrt", "Exp", "Log", "Neg", "Abs"}
    | {"Reciprocal", "LeakyRelu", "Elu", "Selu", "Softplus", "Gelu", "Mish", "Swish", "Cast", "Floor", "Ceil", "Not"}
)
"""Operators on one tensor, number by number."""

BINARY = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "PRelu", "Where", "Equal", "Less", "Greater"})
"""Operators on two tensors, number by number."""
