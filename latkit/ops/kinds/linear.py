"""linear: a fully connected layer with a bias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from latkit.ops.attribute import Attribute, Shape
from latkit.ops.op import Op, OpKind
from latkit.ops.parts import Part


class Linear(OpKind):
    """A matrix product and a bias: (features,) -> (out_features,)."""

    name = "linear"
    title = "Linear"
    attributes: ClassVar[Mapping[str, Attribute]] = {"out_features": Attribute(int, min_value=1)}
    input_ranks = (1,)

    def output_shape(self, op: Op) -> Shape:
        """(out_features,)."""
        return (op.integer("out_features"),)

    def macs(self, op: Op) -> int:
        """One per weight."""
        return op.input_shape[0] * op.integer("out_features")

    def parameters(self, op: Op) -> int:
        """Weights and biases."""
        return (op.input_shape[0] + 1) * op.integer("out_features")

    def module(self, op: Op) -> Any:
        """torch's linear layer."""
        from torch import nn

        return nn.Linear(op.input_shape[0], op.integer("out_features"))

    def parts(self, op: Op) -> tuple[Part, ...]:
        """One matrix product."""
        return tuple(replace(part, kind="matrix") for part in super().parts(op))


LINEAR = Linear()
