"""pool: average or maximum; kernel 0 pools the whole image and drops its two dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from latkit.errors import UsageError
from latkit.ops.attribute import Attribute, Shape
from latkit.ops.kinds.windows import check_odd_kernel, strided_shape
from latkit.ops.op import Op, OpKind
from latkit.ops.parts import Part

TILE = (2, 2)
"""The even kernel that is known, and its stride."""


class Pool(OpKind):
    """Pooling over windows padded by half the kernel, or over the whole image: (C, H, W) -> (C, H', W') or (C,).

    A window of 2x2 is not padded; it tiles the image.
    """

    name = "pool"
    title = "Pooling"
    attributes: ClassVar[Mapping[str, Attribute]] = {
        "function": Attribute(str, "average", ("average", "max")),
        "kernel": Attribute(int, 0, min_value=0),
        "stride": Attribute(int, 1, min_value=1),
    }

    def check(self, op: Op) -> None:
        """The kernel is odd or zero, or 2 with a stride of 2 on an image of even height and width."""
        if (op["kernel"], op["stride"]) == TILE:
            if any(size % 2 for size in op.input_shape[1:]):
                raise UsageError(f"pool: a kernel of 2 needs an even height and width, but found {op.title}")
        elif op["kernel"] != 0:
            check_odd_kernel(op)

    def output_shape(self, op: Op) -> Shape:
        """(channels, ceil(height / stride), ceil(width / stride)); (channels,) of the whole image."""
        channels = op.input_shape[0]
        return (channels,) if op["kernel"] == 0 else strided_shape(op, channels)

    def module(self, op: Op) -> Any:
        """Padding does not count in an average."""
        from torch import nn

        from latkit.ops.layers import GlobalPool

        kernel, stride, function = op.integer("kernel"), op.integer("stride"), str(op["function"])
        if kernel == 0:
            return GlobalPool(function)
        padding = (kernel - 1) // 2
        if function == "max":
            return nn.MaxPool2d(kernel, stride, padding)
        return nn.AvgPool2d(kernel, stride, padding, count_include_pad=False)

    def parts(self, op: Op) -> tuple[Part, ...]:
        """One pooling."""
        return tuple(replace(part, kind="pool") for part in super().parts(op))


POOL = Pool()
