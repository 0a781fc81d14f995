"""dilated_conv: a convolution whose kernel leaves elements out, batch norm, activation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from latkit.ops.attribute import Attribute
from latkit.ops.kinds.conv import Conv
from latkit.ops.op import Op


class DilatedConv(Conv):
    """A convolution over every `dilation`-th element, padded to keep the size, then batch norm and an activation."""

    name = "dilated_conv"
    title = "Dilated convolution"
    attributes: ClassVar[Mapping[str, Attribute]] = {**Conv.attributes, "dilation": Attribute(int, 2, min_value=2)}

    def module(self, op: Op) -> Any:
        """Convolution, batch norm, activation."""
        from torch import nn

        made = super().module(op)
        kernel, dilation = op.integer("kernel"), op.integer("dilation")
        made[0] = nn.Conv2d(
            op.input_shape[0],
            op.integer("out_channels"),
            kernel,
            op.integer("stride"),
            kernel // 2 * dilation,
            dilation,
            op.integer("groups"),
            bias=False,
        )
        return made


DILATED_CONV = DilatedConv()
