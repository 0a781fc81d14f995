"""ONNX operators grouped by cost behavior."""

from __future__ import annotations

VIEWS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"})
"""Operators that only change the shape; a runtime copies nothing for them."""

UNARY = frozenset(
    {"Relu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Erf", "Sqrt", "Exp", "Log", "Neg", "Abs"}
    | {"Reciprocal", "LeakyRelu", "Elu", "Selu", "Softplus", "Gelu", "Mish", "Swish", "Cast", "Floor", "Ceil", "Not"}
)
"""Elementwise operators on one tensor."""

BINARY = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "PRelu", "Where", "Equal", "Less", "Greater"})
"""Elementwise operators on two tensors."""
