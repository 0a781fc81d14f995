"""ghost: GhostNet's module (Han et al. 2020, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from latkit.errors import UsageError
from latkit.ops import Drawing, Op, OpKind, Shape
from latkit.ops.attribute import Attribute
from latkit.ops.parts import Part, Work, size_of


class Ghost(OpKind):
    """A 1x1 convolution to half of the channels, and a depthwise convolution of these as the other half."""

    name = "ghost"
    title = "Ghost module"
    attributes: ClassVar[Mapping[str, Attribute]] = {
        "out_channels": Attribute(int, min_value=2),
        "kernel": Attribute(int, 3, min_value=1),
    }

    def check(self, op: Op) -> None:
        """The channels are even, and the kernel is odd."""
        if op.integer("out_channels") % 2 or op.integer("kernel") % 2 == 0:
            raise UsageError(f"ghost: expected even channels and an odd kernel, but found {op.title}")

    def output_shape(self, op: Op) -> Shape:
        """(out_channels, height, width)."""
        return (op.integer("out_channels"), *op.input_shape[1:])

    def macs(self, op: Op) -> int:
        """Of both convolutions."""
        channels, height, width = op.input_shape
        return _half(op) * (channels + op.integer("kernel") ** 2) * height * width

    def parameters(self, op: Op) -> int:
        """Of both convolutions and their batch norms."""
        return _half(op) * (op.input_shape[0] + op.integer("kernel") ** 2 + 4)

    def module(self, op: Op) -> Any:
        """The two convolutions, concatenated."""
        from latkit_ghost.module import GhostModule

        return GhostModule(op.input_shape[0], _half(op), op.integer("kernel"))

    def parts(self, op: Op) -> tuple[Part, ...]:
        """The two convolutions."""
        half, size = _half(op), size_of(op.input_shape)
        return (
            Part("pointwise", op.input_shape[0], half, 1, 1, size, size),
            Part("depthwise", half, half, op.integer("kernel"), 1, size, size),
        )

    def work(self, op: Op) -> Work:
        """The second half is depthwise."""
        _, height, width = op.input_shape
        depthwise = _half(op) * op.integer("kernel") ** 2 * height * width
        return replace(super().work(op), dense_macs=op.macs - depthwise, depthwise_macs=depthwise, hidden=_half(op))

    def drawing(self, op: Op) -> Drawing:
        """The kernel tells the candidates of a layer apart."""
        kernel = op.integer("kernel")
        return Drawing(f"ghost k{kernel}", ("ghost", f"{kernel}×{kernel}"))


def _half(op: Op) -> int:
    return op.integer("out_channels") // 2


GHOST = Ghost()
