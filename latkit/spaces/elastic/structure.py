"""What an elastic space is made of: stages with their options, and the layers around them that do not change."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from latkit._io import one_line
from latkit.errors import UsageError
from latkit.ops.attribute import ACTIVATIONS

MAX_DEPTH, MAX_OPTIONS, MAX_CHANNELS = 32, 64, 8192


@dataclass(frozen=True, slots=True)
class Fixed:
    """A layer that every sub-network has: the stem, or the first block, which does not expand."""

    channels: int
    """Before the width multiplier."""
    stride: int = 1
    activation: str = "relu6"

    def __post_init__(self) -> None:
        check_layer(self.channels, self.stride, self.activation, "a fixed layer")


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of equal output channels: as many as its depth, each with a kernel and an expansion of its own."""

    channels: int
    """Before the width multiplier."""
    stride: int = 1
    """Of the first block; the others keep the image's size."""
    depths: tuple[int, ...] = (2, 3, 4)
    kernels: tuple[int, ...] = (3, 5, 7)
    expansions: tuple[int, ...] = (3, 4, 6)
    activation: str = "relu6"
    squeeze_excite: bool = False

    def __post_init__(self) -> None:
        check_layer(self.channels, self.stride, self.activation, "a stage")
        check_options("depths", self.depths, MAX_DEPTH)
        check_options("kernels", self.kernels, MAX_CHANNELS)
        check_options("expansions", self.expansions, MAX_CHANNELS)

    @property
    def kind(self) -> str:
        """The kind of its ops."""
        return "mbconv_se" if self.squeeze_excite else "mbconv"


@dataclass(frozen=True, slots=True)
class Head:
    """What follows the stages: a 1x1 convolution, the average over the image, and the classifier."""

    features: int
    """Channels of the convolution, before the width multiplier."""
    hidden: int = 0
    """Features of a layer between the average and the classifier, before the width multiplier; 0 for none."""
    activation: str = "relu6"

    def __post_init__(self) -> None:
        check_layer(self.features, 1, self.activation, "the head")
        if type(self.hidden) is not int or not 0 <= self.hidden <= MAX_CHANNELS:
            raise UsageError(f"the head: expected hidden from 0 to {MAX_CHANNELS}, but found {shown(self.hidden)}")


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Everything of an elastic space that does not depend on resolution and width."""

    channels: int
    """Of the image."""
    stem: Fixed
    first_block: Fixed | None
    stages: tuple[Stage, ...]
    head: Head
    classes: int


@dataclass(frozen=True, slots=True)
class BlockSetting:
    """The options that a block takes."""

    kernel: int
    expansion: int


@dataclass(frozen=True, slots=True)
class Subnet:
    """An architecture in plain values: what a supernet needs to run it."""

    resolution: int
    width: float
    stages: tuple[tuple[BlockSetting, ...], ...]
    """The blocks that are used, stage by stage: as many as the stage's depth."""

    @property
    def depths(self) -> tuple[int, ...]:
        """Number of blocks of every stage."""
        return tuple(map(len, self.stages))


def check_layer(channels: int, stride: int, activation: str, where: str) -> None:
    """Raise UsageError for channels, a stride or an activation that no layer can have."""
    if type(channels) is not int or not 1 <= channels <= MAX_CHANNELS:
        raise UsageError(f"{where}: expected channels from 1 to {MAX_CHANNELS}, but found {shown(channels)}")
    if stride not in (1, 2):
        raise UsageError(f"{where}: expected a stride of 1 or 2, but found {shown(stride)}")
    if activation not in ACTIVATIONS:
        raise UsageError(f"{where}: expected an activation of {', '.join(ACTIVATIONS)}, but found {shown(activation)}")


def check_options(name: str, options: tuple[float, ...], maximum: float, minimum: float = 1) -> None:
    """Raise UsageError unless the options are numbers in range, each once and rising."""
    in_range = all(type(one) in (int, float) and minimum <= one <= maximum for one in options)
    rising = in_range and all(a < b for a, b in itertools.pairwise(options))
    if not 1 <= len(options) <= MAX_OPTIONS or not rising:
        raise UsageError(
            f"expected {name} as 1 to {MAX_OPTIONS} rising numbers from {minimum:g} to {maximum:g}, "
            f"but found {shown(list(options))}"
        )


def shown(value: object) -> str:
    """A value in an error."""
    return one_line(repr(value), 80)
