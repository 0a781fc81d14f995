"""slice: the first channels of an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from latkit.errors import UsageError
from latkit.ops.attribute import Attribute, Shape
from latkit.ops.op import Op, OpKind


class Slice(OpKind):
    """The first `out_channels` channels: (C, H, W) -> (out_channels, H, W)."""

    name = "slice"
    title = "Slice"
    attributes: ClassVar[Mapping[str, Attribute]] = {"out_channels": Attribute(int, min_value=1)}

    def check(self, op: Op) -> None:
        """There are fewer channels than before."""
        if op.integer("out_channels") >= op.input_shape[0]:
            raise UsageError(f"slice: expected fewer than {op.input_shape[0]} channels, but found {op.title}")

    def output_shape(self, op: Op) -> Shape:
        """(out_channels, height, width)."""
        return op.integer("out_channels"), *op.input_shape[1:]

    def module(self, op: Op) -> Any:
        """A slice."""
        from latkit.ops.layers import Slice

        return Slice(op.integer("out_channels"))


SLICE = Slice()
