"""batch_norm: batch norm and an activation on their own, where no convolution precedes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from latkit.ops.attribute import ACTIVATIONS, Attribute, Shape
from latkit.ops.kinds.windows import batch_norm_parameters
from latkit.ops.op import Op, OpKind


class BatchNorm(OpKind):
    """Batch norm of every channel, then an activation. After a convolution it is a part of `conv`."""

    name = "batch_norm"
    title = "Batch norm"
    attributes: ClassVar[Mapping[str, Attribute]] = {"activation": Attribute(str, "none", ACTIVATIONS)}

    def output_shape(self, op: Op) -> Shape:
        """That of the input."""
        return op.input_shape

    def parameters(self, op: Op) -> int:
        """Scale and shift."""
        return batch_norm_parameters(op.input_shape[0])

    def module(self, op: Op) -> Any:
        """torch's batch norm and the activation."""
        from torch import nn

        from latkit.ops.layers import activations

        return nn.Sequential(nn.BatchNorm2d(op.input_shape[0]), *activations(str(op["activation"])))


BATCH_NORM = BatchNorm()
