"""Building a network from front to back."""

from __future__ import annotations

from latkit.ops import Network, Op, Shape, make_op


class Chain:
    """Ops in order, each taking the output shape of the one before it."""

    def __init__(self, input_shape: Shape) -> None:
        self.shape = input_shape
        self.ops: list[Op] = []

    def add(self, kind: str, **attributes: object) -> None:
        """Append an op."""
        op = make_op(kind, self.shape, **attributes)
        self.ops.append(op)
        self.shape = op.output_shape

    def add_head(self, features: int, classes: int) -> None:
        """Append feature mix, global average pool and classifier."""
        self.add("conv", out_channels=features, kernel=1)
        self.add("pool")
        self.add("linear", out_features=classes)

    def network(self, name: str) -> Network:
        """The ops so far as a network."""
        return Network(tuple(self.ops), name)
