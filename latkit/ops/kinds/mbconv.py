"""mbconv: MobileNetV2's inverted residual (Sandler et al. 2018, section 3.3)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, ClassVar

from latkit.errors import UsageError
from latkit.ops.attribute import ACTIVATIONS, Attribute, Shape, Value
from latkit.ops.drawing import Drawing
from latkit.ops.kinds.windows import batch_norm_parameters, check_odd_kernel, strided_shape
from latkit.ops.op import Op, OpKind
from latkit.ops.parts import Part, Work, size_of

KERNEL_COLORS = {1: "#a9c7a0", 3: "#56b4e9", 5: "#e69f00", 7: "#d55e00"}
OTHER_KERNEL = "#cc79a7"


def _keeps_shape(shape: Shape, attributes: Mapping[str, Value]) -> bool:
    return attributes["stride"] == 1 and attributes["out_channels"] == shape[0]


class MBConv(OpKind):
    """1x1 expansion (none for expansion 1), depthwise convolution, linear 1x1 projection; a residual where the shape is
    unchanged."""

    name = "mbconv"
    title = "MBConv"
    attributes: ClassVar[Mapping[str, Attribute]] = {
        "out_channels": Attribute(int, min_value=1),
        "kernel": Attribute(int, 3, min_value=1),
        "stride": Attribute(int, 1, min_value=1),
        "expansion": Attribute(int, 6, min_value=1),
        "activation": Attribute(str, "relu6", ACTIVATIONS),
        "residual": Attribute(bool, _keeps_shape),
    }
    map_axes = ("kernel", "expansion")

    def check(self, op: Op) -> None:
        """The kernel is odd, and an op with a residual keeps its shape."""
        check_odd_kernel(op)
        if op["residual"] and not _keeps_shape(op.input_shape, dict(op.attributes)):
            raise UsageError(f"mbconv: a residual needs an op that keeps its shape, but found {op.title}")

    def output_shape(self, op: Op) -> Shape:
        """(out_channels, ceil(height / stride), ceil(width / stride))."""
        return strided_shape(op, op.integer("out_channels"))

    def macs(self, op: Op) -> int:
        """Of the three convolutions."""
        channels, height, width = op.input_shape
        out_channels, out_height, out_width = op.output_shape
        hidden = _hidden(op)
        expand = channels * hidden * height * width if _expands(op) else 0
        return expand + hidden * (op.integer("kernel") ** 2 + out_channels) * out_height * out_width

    def parameters(self, op: Op) -> int:
        """Of the three convolutions and their batch norms."""
        hidden, out_channels = _hidden(op), op.integer("out_channels")
        expand = op.input_shape[0] * hidden + batch_norm_parameters(hidden) if _expands(op) else 0
        depthwise = hidden * op.integer("kernel") ** 2 + batch_norm_parameters(hidden)
        return expand + depthwise + hidden * out_channels + batch_norm_parameters(out_channels)

    def is_residual(self, op: Op) -> bool:
        """Whether it has a residual: its last batch norm is that of the projection."""
        return bool(op["residual"])

    def module(self, op: Op) -> Any:
        """A block of up to three convolutions, named `expand`, `depthwise` and `project`."""
        from torch import nn

        from latkit.ops.layers import Block, ConvBatchNorm

        channels, hidden, activation = op.input_shape[0], _hidden(op), str(op["activation"])
        convolutions: OrderedDict[str, nn.Module] = OrderedDict()
        if _expands(op):
            convolutions["expand"] = ConvBatchNorm(channels, hidden, 1, activation=activation)
        convolutions["depthwise"] = ConvBatchNorm(
            hidden, hidden, op.integer("kernel"), op.integer("stride"), groups=hidden, activation=activation
        )
        convolutions["project"] = ConvBatchNorm(hidden, op.integer("out_channels"), 1)
        return Block(nn.Sequential(convolutions), bool(op["residual"]))

    def parts(self, op: Op) -> tuple[Part, ...]:
        """Its convolutions; the addition of the residual is no part of its own."""
        channels, channels_out, hidden = op.input_shape[0], op.output_shape[0], _hidden(op)
        size_in, size_out = size_of(op.input_shape), size_of(op.output_shape)
        widen = Part("pointwise", channels, hidden, 1, 1, size_in, size_in)
        spatial = Part("depthwise", hidden, hidden, op.integer("kernel"), op.integer("stride"), size_in, size_out)
        narrow = Part("pointwise", hidden, channels_out, 1, 1, size_out, size_out)
        return (widen, spatial, narrow) if _expands(op) else (spatial, narrow)

    def work(self, op: Op) -> Work:
        """The work of its convolutions. The elements of an op without expansion count its input three times, as if the
        expansion copied it: fitted models depend on this."""
        inputs, outputs, expansion, hidden = _sizes(op)
        widened, reduced = inputs * expansion, outputs // op.integer("out_channels") * hidden
        depthwise = reduced * op.integer("kernel") ** 2
        return Work(
            dense_macs=op.macs - depthwise,
            depthwise_macs=depthwise,
            elements=inputs + 2 * widened + 2 * reduced + outputs * (2 if op["residual"] else 1),
            weights=op.parameters,
            expand_macs=inputs * hidden if _expands(op) else 0,
            widened=widened,
            reduced=reduced,
            hidden=hidden,
        )

    def activation_peak(self, op: Op) -> int:
        """Inside the op: the input of a residual is held until its end."""
        work = op.work
        inputs, outputs, _, _ = _sizes(op)
        held = inputs if op["residual"] else 0
        before = held + work.widened + work.reduced if _expands(op) else 0
        return max(inputs + (work.widened if _expands(op) else work.reduced), before, held + work.reduced + outputs)

    def drawing(self, op: Op) -> Drawing:
        """Color by kernel, height by expansion."""
        kernel, expansion = op.integer("kernel"), op.integer("expansion")
        return Drawing(
            label=f"k{kernel} e{expansion}",
            lines=(f"MB{expansion}", f"{kernel}×{kernel}"),
            color=KERNEL_COLORS.get(kernel, OTHER_KERNEL),
            meaning=f"kernel {kernel}",
            units=expansion,
            legend="k: kernel, e: expansion",
        )


def _hidden(op: Op) -> int:
    return op.input_shape[0] * op.integer("expansion")


def _expands(op: Op) -> bool:
    return op["expansion"] != 1


def _sizes(op: Op) -> tuple[int, int, int, int]:
    """Elements of the input and of the output, expansion, and channels inside."""
    return math.prod(op.input_shape), math.prod(op.output_shape), op.integer("expansion"), _hidden(op)


MBCONV = MBConv()
