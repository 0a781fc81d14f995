"""activation: a function of every element."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from latkit.ops.attribute import ACTIVATIONS, Attribute, Shape
from latkit.ops.op import Op, OpKind


class Activation(OpKind):
    """A function of every element, of an image or a vector."""

    name = "activation"
    title = "Activation"
    attributes: ClassVar[Mapping[str, Attribute]] = {"function": Attribute(str, "relu", ACTIVATIONS[1:])}
    input_ranks = (1, 3)

    def output_shape(self, op: Op) -> Shape:
        """That of the input."""
        return op.input_shape

    def module(self, op: Op) -> Any:
        """torch's module of the function."""
        from latkit.ops.layers import activations

        return activations(str(op["function"]))[0]


ACTIVATION = Activation()
