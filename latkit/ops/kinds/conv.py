"""conv: convolution, batch norm, activation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from latkit.errors import UsageError
from latkit.ops.attribute import ACTIVATIONS, Attribute, Shape
from latkit.ops.kinds.windows import batch_norm_parameters, check_odd_kernel, strided_shape
from latkit.ops.op import Op, OpKind
from latkit.ops.parts import Part, Work, size_of

FEW_CHANNELS = 8
"""A convolution with fewer input channels, such as a network's first, has a routine of its own in runtimes."""


class Conv(OpKind):
    """A convolution padded by half its kernel, without a bias, then batch norm and an activation."""

    name = "conv"
    title = "Convolution"
    attributes: ClassVar[Mapping[str, Attribute]] = {
        "out_channels": Attribute(int, min_value=1),
        "kernel": Attribute(int, 3, min_value=1),
        "stride": Attribute(int, 1, min_value=1),
        "groups": Attribute(int, 1, min_value=1),
        "activation": Attribute(str, "relu6", ACTIVATIONS),
    }

    def check(self, op: Op) -> None:
        """The kernel is odd, and the groups divide the channels on both sides."""
        check_odd_kernel(op)
        groups = op.integer("groups")
        if op.input_shape[0] % groups or op.integer("out_channels") % groups:
            raise UsageError(f"conv: expected channels that {groups} groups divide, but found {op.title}")

    def output_shape(self, op: Op) -> Shape:
        """(out_channels, ceil(height / stride), ceil(width / stride))."""
        return strided_shape(op, op.integer("out_channels"))

    def macs(self, op: Op) -> int:
        """Of the convolution; batch norm is folded into it."""
        _, height, width = op.output_shape
        return _weights(op) * height * width

    def parameters(self, op: Op) -> int:
        """Of the convolution and the batch norm."""
        return _weights(op) + batch_norm_parameters(op.integer("out_channels"))

    def module(self, op: Op) -> Any:
        """Convolution, batch norm, activation."""
        from latkit.ops.layers import ConvBatchNorm

        return ConvBatchNorm(
            op.input_shape[0],
            op.integer("out_channels"),
            op.integer("kernel"),
            op.integer("stride"),
            groups=op.integer("groups"),
            activation=str(op["activation"]),
        )

    def parts(self, op: Op) -> tuple[Part, ...]:
        """The convolution itself, by the routine that runtimes have for it."""
        channels, out_channels = op.input_shape[0], op.integer("out_channels")
        sizes = size_of(op.input_shape), size_of(op.output_shape)
        return (Part(_routine(op), channels, out_channels, op.integer("kernel"), op.integer("stride"), *sizes),)

    def work(self, op: Op) -> Work:
        """All MACs are depthwise where every channel has a group of its own."""
        work = super().work(op)
        if op.integer("groups") != op.input_shape[0]:
            return work
        return replace(work, dense_macs=0, depthwise_macs=op.macs)


def _weights(op: Op) -> int:
    return op.integer("out_channels") * op.input_shape[0] // op.integer("groups") * op.integer("kernel") ** 2


def _routine(op: Op) -> str:
    if op.integer("groups") == op.input_shape[0] > 1:
        return "depthwise"
    if op.input_shape[0] < FEW_CHANNELS:
        return "first"
    return "pointwise" if op["kernel"] == 1 else "dense"


CONV = Conv()
