"""Which networks of two ops are measured for the pair terms of a space."""

from __future__ import annotations

from collections.abc import Iterable

from latkit.ops import Network, Op
from latkit.ops.precision import FP32
from latkit.spaces import ChainSpace, Space
from latkit.spaces.precisions import used_precisions
from latkit.targets import Target


def pair_probes(space: Space, target: Target) -> list[Network]:
    """For every tensor between two ops of a chain, the ops with the fewest MACs before and after it.

    They are combined in all precisions of the space. None are needed of a space whose ops are all fp32 on the target,
    nor known of a space that is no chain.
    """
    if not isinstance(space, ChainSpace) or {*used_precisions(space), target.precision} == {FP32.name}:
        return []
    ops = space.ops()
    between = dict.fromkeys(layer.candidates[0].output_shape for layer in space.layers[:-1])
    return [
        Network((producer, consumer))
        for shape in between
        for producer in _cheapest(op for op in ops if op.output_shape == shape)
        for consumer in _cheapest(op for op in ops if op.input_shape == shape)
    ]


def _cheapest(ops: Iterable[Op]) -> list[Op]:
    """The op with the fewest MACs of each precision."""
    found: dict[str, Op] = {}
    for op in ops:
        if op.precision not in found or op.macs < found[op.precision].macs:
            found[op.precision] = op
    return list(found.values())
