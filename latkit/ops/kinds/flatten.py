"""flatten: an image as a vector."""

from __future__ import annotations

import math
from typing import Any

from latkit.ops.attribute import Shape
from latkit.ops.op import Op, OpKind


class Flatten(OpKind):
    """(channels, height, width) -> (channels * height * width,)."""

    name = "flatten"
    title = "Flatten"

    def output_shape(self, op: Op) -> Shape:
        """All elements in one dimension."""
        return (math.prod(op.input_shape),)

    def module(self, op: Op) -> Any:
        """torch's module."""
        from torch import nn

        return nn.Flatten()


FLATTEN = Flatten()
