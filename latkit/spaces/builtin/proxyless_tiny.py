"""A space of ProxylessNAS's candidates for images of 28 to 32 px."""

from __future__ import annotations

from latkit.ops import make_op
from latkit.spaces.builtin.mbconv_stages import ChainBuilder, check_parameters, scale_channels
from latkit.spaces.chain import ChainSpace
from latkit.spaces.registry import SpaceFactory


def proxyless_tiny(resolution: int = 32, width: float = 1.0, classes: int = 10, channels: int = 3) -> ChainSpace:
    """The same candidates for images of 28 to 32 px: nine searchable blocks in three stages."""
    check_parameters(resolution, width, classes)
    chain = ChainBuilder((channels, resolution, resolution))
    chain.add("stem", make_op("conv", chain.shape, out_channels=scale_channels(16, width)))
    chain.add("first_block", make_op("mbconv", chain.shape, out_channels=scale_channels(16, width), expansion=1))
    stages = tuple(scale_channels(wide, width) for wide in (24, 40, 80))
    chain.add_stages(stages, (3, 3, 3), (2, 2, 2))
    chain.add_head(scale_channels(320, width), classes)
    return ChainSpace("proxyless-tiny", tuple(chain.layers))


SPACE = SpaceFactory("proxyless-tiny", proxyless_tiny)
