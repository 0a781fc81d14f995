"""concat: branches one after the other along channels or features."""

from __future__ import annotations

from typing import Any

from latkit.errors import UsageError
from latkit.ops.attribute import Shape
from latkit.ops.kinds.joins import MAX_INPUTS
from latkit.ops.op import Op, OpKind


class Concat(OpKind):
    """The channels (or features) of two or more inputs, which agree in height and width."""

    name = "concat"
    title = "Concatenation"
    input_ranks = (1, 3)
    input_count = (2, MAX_INPUTS)

    def check(self, op: Op) -> None:
        """All inputs agree in rank, height and width."""
        if len({(len(shape), *shape[1:]) for shape in op.input_shapes}) > 1:
            raise UsageError(f"concat: expected inputs of one height and width, but found {op.title}")

    def output_shape(self, op: Op) -> Shape:
        """(sum of channels, height, width), or (sum of features,)."""
        return sum(shape[0] for shape in op.input_shapes), *op.input_shape[1:]

    def module(self, op: Op) -> Any:
        """A concatenation."""
        from latkit.ops.layers import Concat

        return Concat()


CONCAT = Concat()
