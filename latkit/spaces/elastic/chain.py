"""An elastic space at one resolution and width as a chain, for searches by gradient over all options of a block."""

from __future__ import annotations

from latkit.errors import UsageError
from latkit.ops import make_op
from latkit.spaces.chain import ChainSpace, Layer
from latkit.spaces.elastic.space import ElasticSpace


def chain_of(space: ElasticSpace, resolution: int | None = None, width: float | None = None) -> ChainSpace:
    """The chain of all layers of the largest depth; blocks that some depth leaves out may be skipped.

    Its ops are ops of the elastic space. Every block has a layer of its own, in the order of the largest network's.
    By default of the largest resolution and width. Raises UsageError for others that the space lacks.
    """
    size = space.resolutions[-1] if resolution is None else resolution
    factor = space.widths[-1] if width is None else width
    if size not in space.resolutions or factor not in space.widths:
        known = ", ".join(map(str, space.resolutions)), ", ".join(f"{one:g}" for one in space.widths)
        raise UsageError(
            f"space {space.name}: expected a resolution of {known[0]} and a width of {known[1]}, but found {size} and "
            f"{factor:g}"
        )
    parts = space.layers(size, factor)
    layers = [Layer(f"before.{at + 1}", (op,)) for at, op in enumerate(parts.before)]
    for number, stage in enumerate(space.stages):
        for block in range(stage.depths[-1]):
            ops = tuple(parts.block(number, block).values())
            skip = (make_op("skip", ops[0].output_shape),) if block >= stage.depths[0] else ()
            layers.append(Layer(f"stage{number + 1}.block{block + 1}", (*ops, *skip)))
    layers += [Layer(f"after.{at + 1}", (op,)) for at, op in enumerate(parts.after)]
    return ChainSpace(f"{space.name}-{size}px" + (f"-{factor:g}x" if len(space.widths) > 1 else ""), tuple(layers))
