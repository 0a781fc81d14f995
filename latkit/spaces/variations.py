"""Variations: ops beyond a space, of its kinds and near its shapes, as training data for a model."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from latkit.errors import UsageError
from latkit.ops import Op, Shape, Value, make_op
from latkit.spaces.base import Space

CHANNEL_FACTORS, SIZE_FACTORS = (0.5, 1.5), (0.5, 1.2)
"""Range of the factors for channels and resolutions: that of common width multipliers and input sizes."""

MIXED_SHARE = 0.4
"""Share of variations that take kernel, stride and so on from another op of the space."""

SCALED_ATTRIBUTES = ("out_channels", "out_features")
MAX_FAILED_DRAWS = 10_000
"""After this many draws without a new op, the variations are exhausted: a small space has few of them."""

MAX_IMAGE_CHANNELS = 4
"""Channels of an image, which do not change."""


def variations(space: Space) -> Iterator[Op]:
    """Ops outside the space, in an order that depends on the space alone; ends when there are no more.

    Each is an op of the space with its channels and resolution scaled; some take their other attributes from another op
    of their kind. All kinds alternate, so that every kind can be learned.
    """
    known = set(space.ops())
    by_kind: dict[str, list[Op]] = {}
    for op in space.ops():
        by_kind.setdefault(op.kind, []).append(op)
    rng, failed = random.Random(f"{space.key}/variations"), 0
    while failed < MAX_FAILED_DRAWS:
        for ops in by_kind.values():
            varied = _vary(rng.choice(ops), ops, rng)
            failed += 1
            if varied is not None and varied not in known:
                known.add(varied)
                failed = 0
                yield varied


def _vary(op: Op, ops: Sequence[Op], rng: random.Random) -> Op | None:
    """A variation of `op`, or None where the draw is invalid."""
    shape = _scaled_shape(op.input_shape, rng)
    others = [shape if other == op.input_shape else (_scaled(other[0], rng), *shape[1:]) for other in op.other_inputs]
    other = rng.choice(ops) if rng.random() < MIXED_SHARE else op
    attributes: dict[str, Value] = {}
    for name, value in op.attributes:
        if name == "groups":
            attributes[name] = shape[0] if value == op.input_shape[0] else value
        elif name in SCALED_ATTRIBUTES and isinstance(value, int):
            keeps = value == op.input_shape[0] and rng.random() < 0.75
            attributes[name] = shape[0] if keeps else _scaled(value, rng)
        elif name != "residual":  # follows from the others
            attributes[name] = other[name]
    try:
        return make_op(op.kind, shape, *others, precision=op.precision, **attributes)
    except UsageError:
        return None


def _scaled_shape(shape: Shape, rng: random.Random) -> Shape:
    channels = shape[0] if shape[0] <= MAX_IMAGE_CHANNELS else _scaled(shape[0], rng)
    factor = rng.uniform(*SIZE_FACTORS)
    return channels, *(max(1, round(size * factor)) for size in shape[1:])


def _scaled(channels: int, rng: random.Random) -> int:
    """Channels times a factor, rounded to a multiple of 8 where there are at least 8."""
    scaled = channels * rng.uniform(*CHANNEL_FACTORS)
    return max(8, round(scaled / 8) * 8) if channels >= 16 else max(1, round(scaled))
