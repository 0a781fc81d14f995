"""MobileNetV2 (Sandler et al. 2018, table 2), with channels rounded as torchvision does."""

from __future__ import annotations

from latkit.ops import Network
from latkit.spaces import scale_channels
from latkit.zoo.chain import Chain

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks and stride of every stage; the first block of a stage has its stride."""

SMALL_IMAGE = 32
"""Images up to this size, in pixels, are small: neither the stem nor the last stage that would halves them."""

SMALL_STRIDES = (1, 2, 2, 2, 1, 1, 1)
"""Strides of the stages for small images."""


def mobilenet_v2(width: float = 1.0, resolution: int = 224, classes: int = 1000, channels: int = 3) -> Network:
    """MobileNetV2 of a width multiplier, for images with a number of channels. Raises UsageError.

    The feature mix is at least 1280 wide. Images of up to 32 px are halved three times rather than five, as is usual
    for CIFAR: the last stages then see 4x4 pixels instead of one.
    """
    small = resolution <= SMALL_IMAGE
    chain = Chain((channels, resolution, resolution))
    chain.add("conv", out_channels=scale_channels(32, width), stride=1 if small else 2)
    for (expansion, features, blocks, large_stride), small_stride in zip(STAGES, SMALL_STRIDES, strict=True):
        stride = small_stride if small else large_stride
        for block in range(blocks):
            chain.add(
                "mbconv",
                out_channels=scale_channels(features, width),
                expansion=expansion,
                stride=stride if block == 0 else 1,
            )
    chain.add_head(scale_channels(1280, max(1.0, width)), classes)
    return chain.network(f"mobilenetv2-{width}")
