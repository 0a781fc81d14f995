"""What kinds with a kernel and a stride have in common."""

from __future__ import annotations

from latkit.errors import UsageError
from latkit.ops.attribute import Shape
from latkit.ops.op import Op


def check_odd_kernel(op: Op) -> None:
    """Raise UsageError for an even kernel."""
    if op.integer("kernel") % 2 == 0:
        raise UsageError(f"{op.kind}: expected an odd kernel, but found {op['kernel']}")


def strided_shape(op: Op, channels: int) -> Shape:
    """The shape of an output padded by half the kernel: its size is ceil(size / stride)."""
    _, height, width = op.input_shape
    stride = op.integer("stride")
    return channels, (height - 1) // stride + 1, (width - 1) // stride + 1


def batch_norm_parameters(channels: int) -> int:
    """Scale and shift of every channel."""
    return 2 * channels
