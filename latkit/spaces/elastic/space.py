"""The elastic space: resolution, width, and per stage the depth, and per block kernel and expansion."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import ClassVar, Literal

from latkit._io import check_label
from latkit.errors import UsageError
from latkit.ops import Network, Op, Shape, digest
from latkit.spaces.base import Architecture, Choice, Condition, Space
from latkit.spaces.chain import MAX_OPS
from latkit.spaces.elastic.encoding import match
from latkit.spaces.elastic.layers import Layers, build_layers
from latkit.spaces.elastic.structure import BlockSetting, Fixed, Head, Skeleton, Stage, Subnet, check_options

FORMAT: Literal["latkit-elastic-1"] = "latkit-elastic-1"
MAX_RESOLUTION, MAX_WIDTH, MAX_STAGES, MAX_CLASSES = 1024, 8.0, 32, 100_000


@dataclass(frozen=True, repr=False)
class ElasticSpace(Space):
    """The sub-networks of one network (Cai et al. 2020, section 3.1).

    Choices, in order: `resolution` and `width` where there are several; for each stage `stageS.depth` where there are
    several; for each block `stageS.blockB.kernel` and `stageS.blockB.expansion`, active where the depth reaches it.
    Options rise, so that 0 is the smallest. Sub-networks are chains.
    """

    is_nested: ClassVar[bool] = True
    supernet: ClassVar[str] = "elastic"
    name: str
    resolutions: tuple[int, ...]
    stem: Fixed
    stages: tuple[Stage, ...]
    head: Head
    first_block: Fixed | None = None
    widths: tuple[float, ...] = (1.0,)
    """Width multipliers: channels of all layers times this, in steps of 8."""
    channels: int = 3
    """Of the image."""
    classes: int = 10

    def __post_init__(self) -> None:
        check_label(self.name, "a space's name")
        check_options("resolutions", self.resolutions, MAX_RESOLUTION)
        check_options("widths", self.widths, MAX_WIDTH, 0.1)
        if not 1 <= len(self.stages) <= MAX_STAGES or not 2 <= self.classes <= MAX_CLASSES or self.channels < 1:
            raise UsageError(
                f"space {self.name}: expected 1 to {MAX_STAGES} stages, 2 to {MAX_CLASSES} classes and an image with "
                f"channels, but found {len(self.stages)}, {self.classes} and {self.channels}"
            )
        options = sum(2 * len(stage.kernels) * len(stage.expansions) for stage in self.stages)
        if (count := len(self.resolutions) * len(self.widths) * options) > MAX_OPS:
            raise UsageError(f"space {self.name}: expected at most {MAX_OPS} ops, but found {count}")
        if not self.choices:
            raise UsageError(f"space {self.name}: expected several options of something, but found one of each")
        self.layers(self.resolutions[0], self.widths[0])  # raises for ops that cannot be

    @property
    def key(self) -> str:
        """Hash of all fields but the name."""
        return digest({name: value for name, value in self.to_json().items() if name != "name"})

    @property
    def input_shape(self) -> Shape:
        """Shape of the largest input, without the batch."""
        return (self.channels, self.resolutions[-1], self.resolutions[-1])

    @property
    def output_shape(self) -> Shape:
        """Shape of the output, without the batch."""
        return (self.classes,)

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """Only what has several options is a choice."""
        found = [Choice(name, tuple(f"{one:g}" for one in values)) for name, values in self._global if len(values) > 1]
        for number, stage in enumerate(self.stages, start=1):
            depth_at = len(found)
            if len(stage.depths) > 1:
                found.append(Choice(f"stage{number}.depth", tuple(map(str, stage.depths))))
            for block in range(1, stage.depths[-1] + 1):
                reached = frozenset(at for at, depth in enumerate(stage.depths) if depth >= block)
                active = () if len(reached) == len(stage.depths) else (Condition(depth_at, reached),)
                for name, values in (("kernel", stage.kernels), ("expansion", stage.expansions)):
                    if len(values) > 1:
                        found.append(Choice(f"stage{number}.block{block}.{name}", tuple(map(str, values)), active))
        return tuple(found)

    @property
    def skeleton(self) -> Skeleton:
        """What does not depend on resolution and width."""
        return Skeleton(self.channels, self.stem, self.first_block, self.stages, self.head, self.classes)

    @cached_property
    def positions(self) -> dict[str, int]:
        """The place of every choice by its name."""
        return {choice.name: at for at, choice in enumerate(self.choices)}

    @property
    def smallest(self) -> Architecture:
        """The architecture with the first option of every choice."""
        return (0,) * len(self.choices)

    @property
    def largest(self) -> Architecture:
        """The architecture with the last option of every choice."""
        return tuple(len(choice.options) - 1 for choice in self.choices)

    def inner_shapes(self) -> tuple[Shape, ...]:
        """The shapes that some op writes and another reads."""
        ops = self.ops()
        read = {op.input_shape for op in ops}
        return tuple(shape for shape in dict.fromkeys(op.output_shape for op in ops) if shape in read)

    def subnet(self, architecture: Sequence[int]) -> Subnet:
        """An architecture in plain values. Raises UsageError as `check` does."""
        checked = self.check(architecture)

        def index(name: str) -> int:
            at = self.positions.get(name)
            return 0 if at is None else checked[at]

        stages = []
        for number, stage in enumerate(self.stages, start=1):
            blocks = (
                BlockSetting(
                    stage.kernels[index(f"stage{number}.block{block}.kernel")],
                    stage.expansions[index(f"stage{number}.block{block}.expansion")],
                )
                for block in range(1, stage.depths[index(f"stage{number}.depth")] + 1)
            )
            stages.append(tuple(blocks))
        return Subnet(self.resolutions[index("resolution")], self.widths[index("width")], tuple(stages))

    def architecture(self, subnet: Subnet) -> Architecture:
        """The architecture of plain values, 0 for blocks that are not used. Raises UsageError for another value."""
        values: dict[str, float] = {"resolution": subnet.resolution, "width": subnet.width}
        for number, blocks in enumerate(subnet.stages, start=1):
            values[f"stage{number}.depth"] = len(blocks)
            for at, block in enumerate(blocks, start=1):
                values |= {
                    f"stage{number}.block{at}.kernel": block.kernel,
                    f"stage{number}.block{at}.expansion": block.expansion,
                }
        found = []
        for choice in self.choices:
            value = f"{values[choice.name]:g}" if choice.name in values else choice.options[0]
            if value not in choice.options:
                raise UsageError(f"choice {choice.name}: expected one of {', '.join(choice.options)}, found {value}")
            found.append(choice.options.index(value))
        return super().canonical(found)

    def canonical(self, architecture: Sequence[int]) -> Architecture:
        """Option 0 for blocks that are not used; where neighboring stages have equal ops, the earlier is shallower."""
        if not self._has_equal_stages:
            return super().canonical(architecture)
        return self.encode(self.decode(architecture))

    def layers(self, resolution: int, width: float) -> Layers:
        """The ops of all positions at one resolution and width."""
        known: dict[tuple[int, float], Layers] = self._layers
        if (resolution, width) not in known:
            known[resolution, width] = build_layers(self.skeleton, resolution, width)
        return known[resolution, width]

    def ops(self) -> tuple[Op, ...]:
        """The distinct ops: those of one resolution after those of another, equal blocks of a stage once."""
        every = (op for one in self.resolutions for width in self.widths for op in self.layers(one, width).ops())
        return tuple(dict.fromkeys(every))

    def decode(self, architecture: Sequence[int], name: str = "") -> Network:
        """The sub-network of an architecture, a chain. Raises UsageError as `check` does."""
        subnet = self.subnet(architecture)
        return Network(self.layers(subnet.resolution, subnet.width).chain(subnet.stages), name)

    def encode(self, network: Network) -> Architecture:
        """The canonical architecture of a sub-network. Raises UsageError where it is none of this space."""
        found = self._find(network)
        if found is None:
            raise UsageError(f"{network.title} is not a network of space {self.name}")
        return self.architecture(found)

    def holds(self, network: Network) -> bool:
        """Whether some architecture of this space decodes to the network."""
        return self._find(network) is not None

    @property
    def size(self) -> int:
        """Number of distinct combinations: options of blocks that are not used do not count."""
        combinations = [len(stage.kernels) * len(stage.expansions) for stage in self.stages]
        stages = [
            sum(options ** int(depth) for depth in stage.depths)
            for stage, options in zip(self.stages, combinations, strict=True)
        ]
        return int(len(self.resolutions) * len(self.widths) * math.prod(stages))

    def chain_at(self, resolution: int | None = None, width: float | None = None) -> Space:
        """See `latkit.spaces.elastic.chain.chain_of`."""
        from latkit.spaces.elastic.chain import chain_of  # it needs this module

        return chain_of(self, resolution, width)

    def to_json(self) -> dict[str, object]:
        """The space as a JSON document."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, document: object) -> ElasticSpace:
        """The space that `to_json` gave. Raises ValidationError, UsageError."""
        from latkit.spaces.elastic.files import space_of

        return space_of(document)

    def _find(self, network: Network) -> Subnet | None:
        if not network.is_chain:
            return None
        depths = [stage.depths for stage in self.stages]
        for resolution in self.resolutions:
            for width in self.widths:
                stages = match(self.layers(resolution, width), depths, network.ops)
                if stages is not None:
                    return Subnet(resolution, width, stages)
        return None

    @cached_property
    def _has_equal_stages(self) -> bool:
        """Whether a block of one stage may equal the first of the next, so that several depths give one network."""
        every = (self.layers(one, width).stages for one in self.resolutions for width in self.widths)
        pairs = (pair for stages in every for pair in itertools.pairwise(stages))
        return any(set(after[0].values()) & {*before[0].values(), *before[1].values()} for before, after in pairs)

    @property
    def _global(self) -> tuple[tuple[str, tuple[float, ...]], ...]:
        return ("resolution", self.resolutions), ("width", self.widths)

    @cached_property
    def _layers(self) -> dict[tuple[int, float], Layers]:
        return {}
