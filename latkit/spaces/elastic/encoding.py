"""Which settings of its blocks a chain of ops has."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from latkit.ops import Op
from latkit.spaces.elastic.layers import Layers
from latkit.spaces.elastic.structure import BlockSetting

Settings = tuple[tuple[BlockSetting, ...], ...]


def match(layers: Layers, depths: Sequence[Sequence[int]], ops: tuple[Op, ...]) -> Settings | None:
    """The settings, stage by stage, with which the layers give these ops; None where none do.

    Where neighboring stages have equal ops, the earlier stage is the shallower one.
    """
    begin, end = len(layers.before), len(ops) - len(layers.after)
    if ops[:begin] != layers.before or ops[end:] != layers.after or end < begin:
        return None
    settings = [[{op: one for one, op in options.items()} for options in pair] for pair in layers.stages]

    def blocks(stage: int, at: int, depth: int) -> tuple[BlockSetting, ...] | None:
        known = (settings[stage][min(block, 1)].get(ops[at + block]) for block in range(depth))
        found = tuple(one for one in known if one is not None)
        return found if len(found) == depth else None

    @cache
    def rest(stage: int, at: int) -> Settings | None:
        if stage == len(depths):
            return () if at == end else None
        for depth in depths[stage]:
            taken = blocks(stage, at, depth) if at + depth <= end else None
            others = rest(stage + 1, at + depth) if taken is not None else None
            if taken is not None and others is not None:
                return (taken, *others)
        return None

    return rest(0, begin)
