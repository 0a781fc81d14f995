"""mbconv_se: MobileNetV3's inverted residual with squeeze-and-excite (Howard et al. 2019, figure 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from latkit.ops.attribute import Attribute, Shape, Value
from latkit.ops.drawing import Drawing
from latkit.ops.kinds.mbconv import MBConv
from latkit.ops.op import Op
from latkit.ops.parts import Part, Work, size_of

SQUEEZE_RATIO = 4
"""Channels of the depthwise convolution per hidden channel of the gates."""


def _squeeze(shape: Shape, attributes: Mapping[str, Value]) -> int:
    """A quarter of the inner channels, to the nearest multiple of 8 and at least 90 % of it, as in MobileNetV3."""
    squeezed = shape[0] * int(attributes["expansion"]) / SQUEEZE_RATIO
    rounded = max(8, int(squeezed + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * squeezed else rounded


class MBConvSE(MBConv):
    """An `mbconv` whose depthwise convolution, after its activation, is multiplied by gates.

    The gates: average over the image, 1x1 convolution to `squeeze` channels, ReLU, 1x1 convolution, hard sigmoid.
    """

    name = "mbconv_se"
    title = "MBConv with squeeze-and-excite"
    attributes: ClassVar[Mapping[str, Attribute]] = {
        **MBConv.attributes,
        "squeeze": Attribute(int, _squeeze, min_value=1),
    }

    def macs(self, op: Op) -> int:
        """Of the three convolutions and the gates."""
        return super().macs(op) + _gate_weights(op)

    def parameters(self, op: Op) -> int:
        """Of the three convolutions and their batch norms; weights and biases of the gates."""
        return super().parameters(op) + _gate_weights(op) + op.integer("squeeze") + _hidden(op)

    def module(self, op: Op) -> Any:
        """As of `mbconv`, with a `squeeze_excite` between `depthwise` and `project`."""
        from torch import nn

        from latkit.ops.layers import SqueezeExcite

        block = super().module(op)
        parts = dict(block.body.named_children())
        project = parts.pop("project")
        gates = SqueezeExcite(_hidden(op), op.integer("squeeze"), "relu", "hsigmoid")
        block.body = nn.Sequential()
        for name, part in (*parts.items(), ("squeeze_excite", gates), ("project", project)):
            block.body.add_module(name, part)
        return block

    def parts(self, op: Op) -> tuple[Part, ...]:
        """Convolutions, with the average, the two 1x1 convolutions and the product of the gates before the last."""
        *before, project = super().parts(op)
        hidden, squeeze, one = _hidden(op), op.integer("squeeze"), (1, 1)
        size = size_of(op.output_shape)
        return (
            *before,
            Part("pool", hidden, hidden, 1, 1, size, one),
            Part("pointwise", hidden, squeeze, 1, 1, one, one),
            Part("pointwise", squeeze, hidden, 1, 1, one, one),
            Part("other", hidden, hidden, 1, 1, size, size),
            project,
        )

    def work(self, op: Op) -> Work:
        """As of `mbconv`; the gates read the inner activations twice and write them once."""
        work = super().work(op)
        return replace(work, elements=work.elements + 3 * work.reduced)

    def activation_peak(self, op: Op) -> int:
        """The product of the gates holds the inner activations twice, beside the input of a residual."""
        inside = 2 * op.work.reduced + _hidden(op)
        held = math.prod(op.input_shape) if op["residual"] else 0
        return max(super().activation_peak(op), inside + held)

    def drawing(self, op: Op) -> Drawing:
        """As of `mbconv`, with a mark."""
        plain = super().drawing(op)
        first, second = plain.lines
        return replace(
            plain, label=f"{plain.label} SE", lines=(first, f"{second}SE"), legend=f"{plain.legend}, SE: squeeze-excite"
        )


def _hidden(op: Op) -> int:
    return op.input_shape[0] * op.integer("expansion")


def _gate_weights(op: Op) -> int:
    return 2 * _hidden(op) * op.integer("squeeze")


MBCONV_SE = MBConvSE()
