"""Which short networks are measured for the pair terms of a space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from latkit.ops import Network, Op, Shape
from latkit.ops.precision import FP32
from latkit.spaces import Space
from latkit.spaces.precisions import used_precisions
from latkit.targets import Target


def pair_probes(space: Space, target: Target) -> list[Network]:
    """For every tensor between two ops of a chain, the ops with the fewest MACs before and after it.

    They are combined in all precisions of the space. None are needed of a space whose ops are all fp32 on the target,
    nor known of a space whose networks are no chains.
    """
    if {*used_precisions(space), target.precision} == {FP32.name}:
        return []
    return [probe for shape in space.inner_shapes() for probe in _around(space.ops(), shape)]


def _around(ops: Iterable[Op], shape: Shape) -> Iterator[Network]:
    """Chains with that tensor between their first two ops.

    A residual op stands there twice: what a conversion costs it, in a layout that it cannot use, costs the next one
    too. The first op has no residual where there is such an op: as the first of a network it would have no layout.
    """
    producers, consumers = [op for op in ops if op.output_shape == shape], [op for op in ops if op.input_shape == shape]
    for producer in _cheapest(_of(producers, False) or producers):
        for consumer in _cheapest(_of(consumers, False)):
            yield Network((producer, consumer))
        for consumer in _cheapest(_of(consumers, True)):
            yield Network((producer, consumer, consumer))


def _of(ops: Iterable[Op], residual: bool) -> list[Op]:
    """The ops with a residual, or those without."""
    return [op for op in ops if op.definition.is_residual(op) == residual]


def _cheapest(ops: Iterable[Op]) -> list[Op]:
    """The op with the fewest MACs of each precision."""
    found: dict[str, Op] = {}
    for op in ops:
        if op.precision not in found or op.macs < found[op.precision].macs:
            found[op.precision] = op
    return list(found.values())
