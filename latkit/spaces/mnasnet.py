"""MnasNet's space (Tan et al. 2019) as Accel-NASBench has it: seven blocks of equal layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from latkit.errors import UsageError
from latkit.ops import INPUT, Network, Op
from latkit.spaces.base import Choice
from latkit.spaces.cells.builder import NetworkBuilder
from latkit.spaces.parametric import MAX_CLASSES, MAX_RESOLUTION, ParametricSpace

EXPANSIONS, KERNELS, SQUEEZES = (1, 4, 6), (3, 5), (0, 1)
STEM, HEAD = 32, 1280
BLOCKS = ((16, 1, 3), (24, 2, 3), (40, 2, 3), (80, 2, 3), (112, 1, 3), (192, 2, 4), (320, 1, 3))
"""Channels, stride and maximum number of layers of every block."""

FIELDS = ("expansion", "kernel", "layers", "squeeze_excite")
SQUEEZE_RATIO = 4
"""Input channels of a layer per hidden channel of its squeeze-and-excite."""


@dataclass(frozen=True)
class MnasNetSpace(ParametricSpace):
    """Seven blocks, each with an expansion, a kernel, a number of layers, and with or without squeeze-and-excite.

    Layers with squeeze-and-excite are separate ops, the others one `mbconv` each.
    """

    name: str = "mnasnet"
    resolution: int = 224
    classes: int = 1000

    format: ClassVar[str] = "latkit-mnasnet-1"
    ranges: ClassVar[dict[str, tuple[int, int]]] = {"resolution": (32, MAX_RESOLUTION), "classes": (2, MAX_CLASSES)}

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """Four choices per block, in the order of `FIELDS`."""
        found: list[Choice] = []
        for number, (_, _, layers) in enumerate(BLOCKS, start=1):
            options = (EXPANSIONS, KERNELS, tuple(range(1, layers + 1)), SQUEEZES)
            for field, values in zip(FIELDS, options, strict=True):
                found.append(Choice(f"block{number}.{field}", tuple(map(str, values))))
        return tuple(found)

    def ops(self) -> tuple[Op, ...]:
        """The distinct ops that take time, in the order of first appearance in networks of equal blocks."""
        settings = [(e, k, 1, s) for e in range(len(EXPANSIONS)) for k in range(len(KERNELS)) for s in SQUEEZES]
        every = (op for one in settings for op in self.decode(one * len(BLOCKS)).ops)
        return tuple(dict.fromkeys(every))

    def encode(self, blocks: Sequence[Sequence[int]]) -> tuple[int, ...]:
        """The architecture of seven blocks with the values of `FIELDS`. Raises UsageError for other values."""
        values = [str(value) for block in blocks for value in block]
        if len(values) != len(self.choices):
            raise UsageError(f"space {self.name}: expected {len(BLOCKS)} blocks of {len(FIELDS)} values")
        for value, choice in zip(values, self.choices, strict=True):
            if value not in choice.options:
                raise UsageError(f"choice {choice.name}: expected one of {', '.join(choice.options)}, found {value}")
        return tuple(choice.options.index(value) for value, choice in zip(values, self.choices, strict=True))

    def decode(self, architecture: Sequence[int], name: str = "") -> Network:
        """The network of an architecture. Raises UsageError as `check` does."""
        checked = self.check(architecture)
        build = NetworkBuilder(self.input_shape)
        at = build.add("conv", INPUT, out_channels=STEM, stride=2, activation="relu")
        for number, (channels, stride, _) in enumerate(BLOCKS):
            expansion, kernel, layers, squeeze = checked[4 * number : 4 * number + 4]
            for layer in range(layers + 1):
                block = (channels, 1 if layer else stride, EXPANSIONS[expansion], KERNELS[kernel])
                at = _squeezed(build, at, *block) if squeeze else _plain(build, at, *block)
        at = build.add("conv", at, out_channels=HEAD, kernel=1, activation="relu")
        at = build.add("pool", at)
        build.add("linear", at, out_features=self.classes)
        return build.network(name)


def _plain(build: NetworkBuilder, entry: int, channels: int, stride: int, expansion: int, kernel: int) -> int:
    return build.add(
        "mbconv", entry, out_channels=channels, stride=stride, expansion=expansion, kernel=kernel, activation="relu"
    )


def _squeezed(build: NetworkBuilder, entry: int, channels: int, stride: int, expansion: int, kernel: int) -> int:
    """An inverted residual with squeeze-and-excite after its depthwise convolution."""
    taken = build.shape(entry)[0]
    hidden, at = taken * expansion, entry
    if expansion > 1:
        at = build.add("conv", at, out_channels=hidden, kernel=1, activation="relu")
    at = build.add("conv", at, out_channels=hidden, kernel=kernel, stride=stride, groups=hidden, activation="relu")
    at = build.add("squeeze_excite", at, hidden=max(1, taken // SQUEEZE_RATIO))
    at = build.add("conv", at, out_channels=channels, kernel=1, activation="none")
    return build.add("add", entry, at) if stride == 1 and channels == taken else at
