"""ProxylessNAS's ImageNet space."""

from __future__ import annotations

from latkit.ops import make_op
from latkit.spaces.builtin.mbconv_stages import ChainBuilder, check_parameters, scale_channels
from latkit.spaces.chain import ChainSpace
from latkit.spaces.registry import SpaceFactory


def proxyless_mobile(resolution: int = 224, width: float = 1.0, classes: int = 1000) -> ChainSpace:
    """ProxylessNAS's ImageNet space (Cai et al. 2019, section 4.2): 21 searchable blocks in six stages."""
    check_parameters(resolution, width, classes)
    chain = ChainBuilder((3, resolution, resolution))
    chain.add("stem", make_op("conv", chain.shape, out_channels=scale_channels(32, width), stride=2))
    first = make_op("mbconv", chain.shape, out_channels=scale_channels(16, width), expansion=1)
    chain.add("first_block", first)
    stages = tuple(scale_channels(channels, width) for channels in (24, 40, 80, 96, 192, 320))
    chain.add_stages(stages, (4, 4, 4, 4, 4, 1), (2, 2, 2, 1, 2, 1))
    chain.add_head(scale_channels(1280, width) if width > 1 else 1280, classes)
    return ChainSpace("proxyless-mobile", tuple(chain.layers))


SPACE = SpaceFactory("proxyless-mobile", proxyless_mobile)
