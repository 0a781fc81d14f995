"""Spaces that are a part of another space."""

from __future__ import annotations

from latkit.ops import Op, Shape
from latkit.spaces.base import Choice, Space


class Subspace(Space):
    """A part of the architectures of `base`, with its choices, shapes and ops."""

    base: Space

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Those of the space."""
        return self.base.choices

    @property
    def input_shape(self) -> Shape:
        """Shape of the input, without the batch."""
        return self.base.input_shape

    @property
    def output_shape(self) -> Shape:
        """Shape of the output, without the batch."""
        return self.base.output_shape

    def ops(self) -> tuple[Op, ...]:
        """Those of the space."""
        return self.base.ops()
