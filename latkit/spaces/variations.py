"""Ops beyond a space: of its kinds and near its shapes, for a model to learn from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from latkit.errors import UsageError
from latkit.ops import Op, Shape, Value, make_op
from latkit.spaces.space import Space

CHANNELS, SIZES = (0.5, 1.5), (0.5, 1.2)
"""Channels and resolutions are scaled by factors between these: what width multipliers and input sizes do."""

MIXED = 0.4
"""The share that takes its kernel, stride and so on from another op of the space."""

SCALED = ("out_channels", "out_features")
MAX_MISSES = 10_000
"""So many draws in a row that give nothing new, and there is nothing new: a small space has few variations."""

FEW_CHANNELS = 4
"""So many channels are an image's, and stay."""


def variations(space: Space) -> Iterator[Op]:
    """Ops that are not of the space, in an order that depends on the space alone; ends where there are no more.

    Each is an op of the space with its channels and resolution scaled; some take their other attributes from another
    op of their kind. All kinds take their turns, so that every kind can be learned.
    """
    known = set(space.ops())
    by_kind: dict[str, list[Op]] = {}
    for op in space.ops():
        by_kind.setdefault(op.kind, []).append(op)
    rng, misses = random.Random(f"{space.key}/variations"), 0
    while misses < MAX_MISSES:
        for ops in by_kind.values():
            varied = _vary(rng.choice(ops), ops, rng)
            misses += 1
            if varied is not None and varied not in known:
                known.add(varied)
                misses = 0
                yield varied


def _vary(op: Op, ops: Sequence[Op], rng: random.Random) -> Op | None:
    """A variation of `op`, or None where what was drawn is no op."""
    shape = _scaled_shape(op.input_shape, rng)
    other = rng.choice(ops) if rng.random() < MIXED else op
    attributes: dict[str, Value] = {}
    for name, value in op.attributes:
        if name == "groups":
            attributes[name] = shape[0] if value == op.input_shape[0] else value
        elif name in SCALED and isinstance(value, int):
            keeps = value == op.input_shape[0] and rng.random() < 0.75
            attributes[name] = shape[0] if keeps else _scaled(value, rng)
        elif name != "residual":  # follows from the others
            attributes[name] = other[name]
    try:
        return make_op(op.kind, shape, **attributes)
    except UsageError:
        return None


def _scaled_shape(shape: Shape, rng: random.Random) -> Shape:
    channels = shape[0] if shape[0] <= FEW_CHANNELS else _scaled(shape[0], rng)
    factor = rng.uniform(*SIZES)
    return channels, *(max(1, round(size * factor)) for size in shape[1:])


def _scaled(channels: int, rng: random.Random) -> int:
    """Channels times a factor, to a multiple of 8 as networks have them where there are that many."""
    scaled = channels * rng.uniform(*CHANNELS)
    return max(8, round(scaled / 8) * 8) if channels >= 16 else max(1, round(scaled))
