"""A small space that is no chain of layers: its depth is a choice, blocks beyond it are not active, two are tied."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.errors import UsageError
from latkit.ops import Network, Op, Shape, digest, make_op
from latkit.spaces import Choice, Condition, Space

KERNELS = (3, 5)
DEPTHS = (1, 2, 3)


class Staircase(Space):
    """One to three convolutions and a classifier. The first two have one kernel; 5 in the third needs a 3 before."""

    name = "staircase"
    input_shape: Shape = (3, 8, 8)
    output_shape: Shape = (4,)
    key = digest("staircase 1")
    choices = (
        Choice("depth", tuple(map(str, DEPTHS))),
        Choice("block1.kernel", tuple(map(str, KERNELS))),
        Choice("block2.kernel", tuple(map(str, KERNELS)), (Condition(0, frozenset({1, 2})),), tied_to=1),
        Choice("block3.kernel", tuple(map(str, KERNELS)), (Condition(0, frozenset({2})),)),
    )

    def check(self, architecture: Sequence[int]) -> tuple[int, ...]:
        checked = super().check(architecture)
        if self.active(checked)[3] and checked[1] == checked[3] == 1:
            raise UsageError("expected a kernel of 3 before block3 or in it, but found 5 in both")
        return checked

    def ops(self) -> tuple[Op, ...]:
        convolutions = [self._convolution(block, kernel) for block in range(3) for kernel in KERNELS]
        return tuple(dict.fromkeys((*convolutions, *self._head())))

    def decode(self, architecture: Sequence[int], name: str = "") -> Network:
        depth, *kernels = self.check(architecture)
        blocks = [self._convolution(block, KERNELS[kernels[block]]) for block in range(DEPTHS[depth])]
        return Network((*blocks, *self._head()), name)

    def to_json(self) -> dict[str, object]:
        return {"format": "staircase"}

    @classmethod
    def from_json(cls, document: object) -> Staircase:
        assert document == {"format": "staircase"}
        return cls()

    def _convolution(self, block: int, kernel: int) -> Op:
        shape = (8, 8, 8) if block else self.input_shape
        return make_op("conv", shape, out_channels=8, kernel=kernel)

    def _head(self) -> tuple[Op, ...]:
        return make_op("pool", (8, 8, 8)), make_op("linear", (8,), out_features=4)
