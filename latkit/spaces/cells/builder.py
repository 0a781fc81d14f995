"""Builds networks that branch: ops with their inputs, from front to back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from latkit.ops import INPUT, Network, Op, Shape, make_op


@lru_cache(maxsize=4096)
def _op(kind: str, shapes: tuple[Shape, ...], attributes: tuple[tuple[str, int | str], ...]) -> tuple[Op, Shape]:
    """`make_op` and the op's output shape, once for every op: networks of cells repeat them."""
    op = make_op(kind, *shapes, **dict(attributes))
    return op, op.output_shape


class NetworkBuilder:
    """The ops of a network so far. An op is named by its position; `INPUT` is the network's input."""

    def __init__(self, input_shape: Shape) -> None:
        self.ops: list[Op] = []
        self.inputs: list[tuple[int, ...]] = []
        self._shapes: dict[int, Shape] = {INPUT: input_shape}

    def add(self, kind: str, *sources: int, **attributes: int | str) -> int:
        """Append an op that takes the outputs of `sources`; its position. Raises UsageError."""
        shapes = self._shapes
        op, output = _op(kind, tuple([shapes[source] for source in sources]), tuple(attributes.items()))
        self.ops.append(op)
        self.inputs.append(sources)
        position = len(self.ops) - 1
        shapes[position] = output
        return position

    def repeat(self, start: int, stop: int, entry: int) -> int:
        """Append a copy of the ops from `start` to before `stop`; the position of the last one.

        Where they take an output from before `start`, the copy takes that of `entry`, which has its shape.
        """
        shift, shapes = len(self.ops) - start, self._shapes
        for position in range(start, stop):
            shapes[position + shift] = shapes[position]
        self.ops += self.ops[start:stop]
        self.inputs += [
            tuple([source + shift if source >= start else entry for source in sources])
            for sources in self.inputs[start:stop]
        ]
        return len(self.ops) - 1

    def total(self, sources: Sequence[int]) -> int:
        """The sum of outputs; a single one is itself."""
        return sources[0] if len(sources) == 1 else self.add("add", *sources)

    def shape(self, position: int) -> Shape:
        """Shape of an output."""
        return self._shapes[position]

    def network(self, name: str) -> Network:
        """The network whose output is that of the last op."""
        return Network(tuple(self.ops), name, tuple(self.inputs))
