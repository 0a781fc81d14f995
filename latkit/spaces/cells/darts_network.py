"""The network of DARTS's cells, as NAS-Bench-301 trains it (Siems et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from latkit.ops import INPUT, Network
from latkit.ops.attribute import Shape
from latkit.spaces.cells.builder import NetworkBuilder

OPS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
MAX_POOL, AVG_POOL, SKIP, SEP3, SEP5, DIL3, DIL5 = range(len(OPS))
KERNELS = {SEP3: 3, SEP5: 5, DIL3: 3, DIL5: 5}
POOLS = {MAX_POOL: "max", AVG_POOL: "average"}
STEM_MULTIPLIER = 3


class _Parameters(Protocol):
    """What a network needs to know of its space."""

    @property
    def channels(self) -> int: ...
    @property
    def cells(self) -> int: ...
    @property
    def classes(self) -> int: ...
    @property
    def input_shape(self) -> Shape: ...


Cell = Sequence[Sequence[tuple[int, int]]]


def build_network(space: _Parameters, cells: tuple[Cell, Cell], name: str) -> Network:
    """A stem, the cells, and a head. The cells after a third and two thirds of them are reductions.

    The shortcuts of reductions, two convolutions of half the channels each, are one here: the same MACs.
    """
    build = _Builder(NetworkBuilder(space.input_shape))
    normal, reduction = cells
    channels = space.channels
    before = last = build.net.add("conv", INPUT, out_channels=STEM_MULTIPLIER * channels, activation="none")
    for number in range(space.cells):
        is_reduction = number in (space.cells // 3, 2 * space.cells // 3)
        channels *= 1 + is_reduction
        build.relus.clear()
        is_wider = build.net.shape(before)[1] > build.net.shape(last)[1]
        entries = build.convolution(before, channels, 1 + is_wider), build.convolution(last, channels, 1)
        before, last = last, build.cell(reduction if is_reduction else normal, entries, 1 + is_reduction)
    at = build.net.add("pool", last)
    build.net.add("linear", at, out_features=space.classes)
    return build.net.network(name)


class _Builder:
    """Appends cells to a network."""

    def __init__(self, net: NetworkBuilder) -> None:
        self.net = net
        self.relus: dict[int, int] = {}
        """By position, that of its rectified output."""

    def cell(self, cell: Cell, entries: tuple[int, int], stride: int) -> int:
        """Append a cell, which joins its nodes; the stride is that of the ops on its inputs."""
        positions = list(entries)
        for inputs in cell:
            terms = [self._op(op, positions[source], stride if source < len(entries) else 1) for source, op in inputs]
            positions.append(self.net.total(terms))
        return self.net.add("concat", *positions[len(entries) :])

    def convolution(self, source: int, channels: int, stride: int) -> int:
        """A rectifier, then a 1x1 convolution with batch norm."""
        return self.net.add(
            "conv", self._rectified(source), out_channels=channels, kernel=1, stride=stride, activation="none"
        )

    def _op(self, op: int, source: int, stride: int) -> int:
        channels = self.net.shape(source)[0]
        if op == SKIP:
            return source if stride == 1 else self.convolution(source, channels, stride)
        if op in POOLS:
            pooled = self.net.add("pool", source, function=POOLS[op], kernel=3, stride=stride)
            return self.net.add("batch_norm", pooled, activation="none")
        kind = "dilated_conv" if op in (DIL3, DIL5) else "conv"
        at = self._depthwise(kind, source, KERNELS[op], stride)
        return at if kind == "dilated_conv" else self._depthwise(kind, at, KERNELS[op], 1)

    def _depthwise(self, kind: str, source: int, kernel: int, stride: int) -> int:
        """A rectifier, a convolution within each channel, and one across them; either with batch norm."""
        channels, at = self.net.shape(source)[0], self._rectified(source)
        at = self.net.add(
            kind, at, out_channels=channels, kernel=kernel, stride=stride, groups=channels, activation="none"
        )
        return self.net.add("conv", at, out_channels=channels, kernel=1, activation="none")

    def _rectified(self, source: int) -> int:
        if source not in self.relus:
            self.relus[source] = self.net.add("activation", source)
        return self.relus[source]
