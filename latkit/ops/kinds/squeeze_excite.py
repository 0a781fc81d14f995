"""squeeze_excite: every channel times a gate computed from all channels (Hu et al. 2018, section 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from latkit.ops.attribute import ACTIVATIONS, Attribute, Shape
from latkit.ops.op import Op, OpKind
from latkit.ops.parts import Part


class SqueezeExcite(OpKind):
    """Average over the image, two 1x1 convolutions with biases and an activation between them, sigmoid; the input times
    that."""

    name = "squeeze_excite"
    title = "Squeeze and excite"
    attributes: ClassVar[Mapping[str, Attribute]] = {
        "hidden": Attribute(int, min_value=1),
        "activation": Attribute(str, "relu", ACTIVATIONS),
    }

    def output_shape(self, op: Op) -> Shape:
        """That of the input."""
        return op.input_shape

    def macs(self, op: Op) -> int:
        """Of the two convolutions, which see one position."""
        return 2 * op.input_shape[0] * op.integer("hidden")

    def parameters(self, op: Op) -> int:
        """Weights and biases of the two convolutions."""
        return self.macs(op) + op.integer("hidden") + op.input_shape[0]

    def module(self, op: Op) -> Any:
        """Average, convolution, activation, convolution, sigmoid, product."""
        from latkit.ops.layers import SqueezeExcite

        return SqueezeExcite(op.input_shape[0], op.integer("hidden"), str(op["activation"]))

    def parts(self, op: Op) -> tuple[Part, ...]:
        """The average, the two convolutions, and the product."""
        (product,) = super().parts(op)
        channels, hidden, one = op.input_shape[0], op.integer("hidden"), (1, 1)
        squeeze = replace(product, kind="pool", size_out=one)
        reduce = Part("pointwise", channels, hidden, 1, 1, one, one)
        expand = Part("pointwise", hidden, channels, 1, 1, one, one)
        return squeeze, reduce, expand, product

    def activation_peak(self, op: Op) -> int:
        """Input and output beside the gates."""
        return 2 * math.prod(op.input_shape) + op.input_shape[0]


SQUEEZE_EXCITE = SqueezeExcite()
