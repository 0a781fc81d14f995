"""NAS-Bench-Macro's space."""

from __future__ import annotations

from latkit.errors import UsageError
from latkit.ops import make_op
from latkit.spaces.builtin.mbconv_stages import ChainBuilder, check_parameters, scale_channels
from latkit.spaces.chain import ChainSpace
from latkit.spaces.registry import SpaceFactory

STAGES = ((64, 2), (128, 3), (256, 3))
"""Channels and layers; the first layer of each halves the image."""


def nasbench_macro(resolution: int = 32, width: float = 1.0, classes: int = 10) -> ChainSpace:
    """NAS-Bench-Macro (Su et al. 2021): a chain of eight layers, each the identity, MBConv k3 e3 or MBConv k5 e6.

    Where the shape changes, a 1x1 convolution takes the place of the identity.
    """
    check_parameters(resolution, width, classes)
    if resolution % 8:
        raise UsageError(f"space nasbench-macro: expected a resolution that 8 divides, but found {resolution}")
    chain = ChainBuilder((3, resolution, resolution))
    chain.add("stem", make_op("conv", chain.shape, out_channels=scale_channels(32, width)))
    number = 0
    for channels, layers in STAGES:
        for layer in range(layers):
            number += 1
            out, stride = scale_channels(channels, width), 1 if layer else 2
            identity = make_op("skip", chain.shape)
            if layer == 0:
                identity = make_op("conv", chain.shape, out_channels=out, kernel=1, stride=stride)
            small = make_op("mbconv", chain.shape, out_channels=out, kernel=3, expansion=3, stride=stride)
            large = make_op("mbconv", chain.shape, out_channels=out, kernel=5, expansion=6, stride=stride)
            chain.add(f"layer{number}", identity, small, large)
    chain.add_head(scale_channels(1280, width), classes)
    return ChainSpace("nasbench-macro", tuple(chain.layers))


SPACE = SpaceFactory("nasbench-macro", nasbench_macro)
