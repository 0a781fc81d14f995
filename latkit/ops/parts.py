"""What an op is made of: the parts that a runtime computes one after the other, and their work."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One convolution, matrix product or pooling, or pure memory access."""

    kind: str
    """`pointwise`, `dense`, `first`, `depthwise`, `matrix`, `pool` or `other`."""
    channels_in: int
    channels_out: int
    kernel: int
    stride: int
    size_in: tuple[int, int]
    """Height and width."""
    size_out: tuple[int, int]

    @property
    def weights(self) -> int:
        """Weights read."""
        if self.kind in ("pool", "other"):
            return 0
        return self.channels_out * self.kernel**2 * (1 if self.kind == "depthwise" else self.channels_in)

    @property
    def border(self) -> float:
        """Share of the outputs of a row whose window crosses the left or right border: computed one at a time."""
        inside = max(0, (self.size_in[1] - self.kernel) // self.stride + 1)
        return max(0, self.size_out[1] - inside) / self.size_out[1]

    @property
    def read(self) -> int:
        """Elements read."""
        return self.channels_in * math.prod(self.size_in)

    @property
    def written(self) -> int:
        """Elements written."""
        return self.channels_out * math.prod(self.size_out)


@dataclass(frozen=True, slots=True)
class Work:
    """The work of an op on a processor."""

    dense_macs: int
    """MACs of convolutions that mix channels and of matrix products: bound by arithmetic."""
    depthwise_macs: int
    """MACs of convolutions with one filter per channel: bound by memory more than by arithmetic."""
    elements: int
    """Elements read and written between the parts of the op."""
    weights: int
    """Weights read."""
    expand_macs: int
    """The part of `dense_macs` that widens an inverted residual's channels."""
    widened: int
    """Elements that its spatial convolution reads: those of the widened input, or of the input otherwise."""
    reduced: int
    """Elements that its spatial convolution writes."""
    hidden: int
    """Channels inside."""


def size_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of a tensor; 1 by 1 of one that is no image."""
    return (shape[1], shape[2]) if len(shape) == 3 else (1, 1)
