"""The ops of an elastic space at one resolution and width, position by position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from latkit.ops import Op, Shape, make_op
from latkit.spaces.builtin.mbconv_stages import scale_channels
from latkit.spaces.elastic.structure import BlockSetting, Fixed, Head, Skeleton, Stage

Options = dict[BlockSetting, Op]
"""The ops of a block, by its options."""


@dataclass(frozen=True, slots=True)
class Layers:
    """All ops of one resolution and width."""

    before: tuple[Op, ...]
    """Stem and first block."""
    stages: tuple[tuple[Options, Options], ...]
    """For each stage the first block, which may have a stride, and any of the others: those are equal."""
    after: tuple[Op, ...]
    """The head."""

    def block(self, stage: int, block: int) -> Options:
        """The ops of a block; both count from 0."""
        return self.stages[stage][min(block, 1)]

    def chain(self, settings: Sequence[Sequence[BlockSetting]]) -> tuple[Op, ...]:
        """The ops of a sub-network, with the settings of its blocks stage by stage."""
        blocks = (self.block(stage, at)[one] for stage, taken in enumerate(settings) for at, one in enumerate(taken))
        return (*self.before, *blocks, *self.after)

    def ops(self) -> Iterator[Op]:
        """Every op, some more than once."""
        yield from self.before
        for first, others in self.stages:
            yield from first.values()
            yield from others.values()
        yield from self.after


def build_layers(skeleton: Skeleton, resolution: int, width: float) -> Layers:
    """The ops of one resolution and width. Raises UsageError for an op that cannot be."""
    shape: Shape = (skeleton.channels, resolution, resolution)
    before = [_stem(skeleton.stem, shape, width)]
    if skeleton.first_block is not None:
        before.append(_first_block(skeleton.first_block, before[-1].output_shape, width))
    shape = before[-1].output_shape
    stages = []
    for stage in skeleton.stages:
        first = _block(stage, shape, stage.stride, width)
        shape = next(iter(first.values())).output_shape
        others = _block(stage, shape, 1, width) if stage.depths[-1] > 1 else {}
        stages.append((first, others))
    return Layers(tuple(before), tuple(stages), _head(skeleton.head, shape, width, skeleton.classes))


def _stem(stem: Fixed, shape: Shape, width: float) -> Op:
    channels = scale_channels(stem.channels, width)
    return make_op("conv", shape, out_channels=channels, stride=stem.stride, activation=stem.activation)


def _first_block(block: Fixed, shape: Shape, width: float) -> Op:
    channels = scale_channels(block.channels, width)
    options = {"stride": block.stride, "activation": block.activation}
    return make_op("mbconv", shape, out_channels=channels, expansion=1, **options)


def _block(stage: Stage, shape: Shape, stride: int, width: float) -> Options:
    fixed = {"out_channels": scale_channels(stage.channels, width), "stride": stride, "activation": stage.activation}
    return {
        BlockSetting(kernel, expansion): make_op(stage.kind, shape, kernel=kernel, expansion=expansion, **fixed)
        for kernel in stage.kernels
        for expansion in stage.expansions
    }


def _head(head: Head, shape: Shape, width: float, classes: int) -> tuple[Op, ...]:
    features = scale_channels(head.features, width)
    found = [make_op("conv", shape, out_channels=features, kernel=1, activation=head.activation)]
    found.append(make_op("pool", found[-1].output_shape))
    if head.hidden:
        found.append(make_op("linear", (features,), out_features=scale_channels(head.hidden, width)))
        if head.activation != "none":
            found.append(make_op("activation", found[-1].output_shape, function=head.activation))
    return (*found, make_op("linear", found[-1].output_shape, out_features=classes))
