"""MobileNetV2 (Sandler et al. 2018, table 2), with channels rounded as torchvision does."""

from __future__ import annotations

from latkit.ops import Network
from latkit.spaces import scale_channels
from latkit.zoo.chain import Chain

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks and stride of every stage; the first block of a stage carries its stride."""


def mobilenet_v2(width: float = 1.0, resolution: int = 224, classes: int = 1000) -> Network:
    """MobileNetV2 of a width multiplier. The feature mix is never narrower than 1280. Raises UsageError."""
    chain = Chain((3, resolution, resolution))
    chain.add("conv", out_channels=scale_channels(32, width), stride=2)
    for expansion, channels, blocks, stride in STAGES:
        for block in range(blocks):
            chain.add(
                "mbconv",
                out_channels=scale_channels(channels, width),
                expansion=expansion,
                stride=stride if block == 0 else 1,
            )
    chain.add_head(scale_channels(1280, max(1.0, width)), classes)
    return chain.network(f"mobilenetv2-{width}")
