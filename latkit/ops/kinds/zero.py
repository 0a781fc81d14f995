"""zero: the input times zero, for a branch that carries nothing."""

from __future__ import annotations

from typing import Any

from latkit.ops.attribute import Shape
from latkit.ops.op import Op, OpKind


class Zero(OpKind):
    """Zeros of the input's shape."""

    name = "zero"
    title = "Zero"
    input_ranks = (1, 3)

    def output_shape(self, op: Op) -> Shape:
        """That of the input."""
        return op.input_shape

    def module(self, op: Op) -> Any:
        """A product with zero, as NAS-Bench-201 has it: an op that takes its input."""
        from latkit.ops.layers import Zero

        return Zero()


ZERO = Zero()
