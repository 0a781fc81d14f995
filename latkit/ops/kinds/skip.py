"""skip: the identity, with which a layer of a space can be left out."""

from __future__ import annotations

import math
from typing import Any

from latkit.ops.attribute import Shape
from latkit.ops.op import Op, OpKind


class Skip(OpKind):
    """The identity; exported networks do not contain it."""

    name = "skip"
    title = "Skip"
    input_ranks = (1, 3)
    is_identity = True

    def output_shape(self, op: Op) -> Shape:
        """That of the input."""
        return op.input_shape

    def module(self, op: Op) -> Any:
        """torch's identity."""
        from torch import nn

        return nn.Identity()

    def activation_peak(self, op: Op) -> int:
        """Its input, which is its output."""
        return math.prod(op.input_shape)


SKIP = Skip()
