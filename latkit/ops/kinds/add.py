"""add: the sum of branches of one shape."""

from __future__ import annotations

from typing import Any

from latkit.errors import UsageError
from latkit.ops.attribute import Shape
from latkit.ops.kinds.joins import MAX_INPUTS
from latkit.ops.op import Op, OpKind


class Add(OpKind):
    """The sum of two or more inputs, element by element."""

    name = "add"
    title = "Addition"
    input_ranks = (1, 3)
    input_count = (2, MAX_INPUTS)

    def check(self, op: Op) -> None:
        """All inputs have one shape."""
        if len(set(op.input_shapes)) > 1:
            raise UsageError(f"add: expected inputs of one shape, but found {op.title}")

    def output_shape(self, op: Op) -> Shape:
        """That of every input."""
        return op.input_shape

    def module(self, op: Op) -> Any:
        """A sum."""
        from latkit.ops.layers import Add

        return Add()


ADD = Add()
