"""ghost-tiny: ghost modules of two kernels, for small images."""

from __future__ import annotations

from latkit.ops import make_op
from latkit.spaces import ChainSpace, Layer, SpaceFactory


def ghost_tiny(resolution: int = 16, classes: int = 10, channels: int = 3) -> ChainSpace:
    """Two choices among ghost modules and a skip."""
    inside = (8, resolution, resolution)
    ghosts = [make_op("ghost", inside, out_channels=8, kernel=kernel) for kernel in (3, 5)]
    body = (*ghosts, make_op("skip", inside))
    return ChainSpace(
        "ghost-tiny",
        (
            Layer("stem", (make_op("conv", (channels, resolution, resolution), out_channels=8),)),
            Layer("first", body),
            Layer("second", body),
            Layer("pool", (make_op("pool", inside),)),
            Layer("classifier", (make_op("linear", (8,), out_features=classes),)),
        ),
    )


GHOST_TINY = SpaceFactory("ghost-tiny", ghost_tiny)
