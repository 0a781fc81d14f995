"""The spaces of ProxylessNAS: its ImageNet space, and a small one for images of 28 to 32 px."""

from __future__ import annotations

from latkit.errors import UsageError
from latkit.ops import Op, Shape, make_op
from latkit.spaces.space import Layer, Space

KERNELS = (3, 5, 7)
EXPANSIONS = (3, 6)


def scale_channels(channels: int, width: float) -> int:
    """Channels times a width multiplier, to the nearest multiple of 8 and at least 90 % of the product.

    The rule of MobileNetV2's reference implementation, also used by ProxylessNAS.
    """
    scaled = max(8, int(channels * width + 4) // 8 * 8)
    return scaled + 8 if scaled < 0.9 * channels * width else scaled


def mbconv_candidates(shape: Shape, out_channels: int, stride: int) -> tuple[Op, ...]:
    """MBConv with kernel {3, 5, 7} and expansion {3, 6}, and a skip where the shape is unchanged."""
    ops = [
        make_op("mbconv", shape, out_channels=out_channels, kernel=kernel, stride=stride, expansion=expansion)
        for expansion in EXPANSIONS
        for kernel in KERNELS
    ]
    if stride == 1 and out_channels == shape[0]:
        ops.append(make_op("skip", shape))
    return tuple(ops)


class ChainBuilder:
    """Builds a chain of layers from front to back, each taking the output shape of the one before it."""

    def __init__(self, input_shape: Shape) -> None:
        self.shape = input_shape
        self.layers: list[Layer] = []

    def add(self, name: str, *candidates: Op) -> None:
        """Append a layer."""
        layer = Layer(name, candidates)
        self.layers.append(layer)
        self.shape = layer.candidates[0].output_shape

    def add_stages(self, channels: tuple[int, ...], blocks: tuple[int, ...], strides: tuple[int, ...]) -> None:
        """Append stages of searchable MBConv blocks; the first block of a stage carries its stride."""
        for stage, (out_channels, count, stride) in enumerate(zip(channels, blocks, strides, strict=True), start=1):
            for block in range(1, count + 1):
                candidates = mbconv_candidates(self.shape, out_channels, stride if block == 1 else 1)
                self.add(f"stage{stage}.block{block}", *candidates)

    def add_head(self, features: int, classes: int) -> None:
        """Append feature mix, global average pool and classifier."""
        self.add("feature_mix", make_op("conv", self.shape, out_channels=features, kernel=1))
        self.add("pool", make_op("pool", self.shape))
        self.add("classifier", make_op("linear", self.shape, out_features=classes))


def _check(resolution: int, width: float, classes: int) -> None:
    if resolution < 8 or not 0.1 <= width <= 8 or classes < 2:
        raise UsageError(
            f"expected a resolution of at least 8, a width from 0.1 to 8 and at least 2 classes, "
            f"but found {resolution}, {width} and {classes}"
        )


def proxyless_mobile(resolution: int = 224, width: float = 1.0, classes: int = 1000) -> Space:
    """ProxylessNAS's ImageNet space (Cai et al. 2019, section 4.2): 21 searchable blocks in six stages."""
    _check(resolution, width, classes)
    chain = ChainBuilder((3, resolution, resolution))
    chain.add("stem", make_op("conv", chain.shape, out_channels=scale_channels(32, width), stride=2))
    first = make_op("mbconv", chain.shape, out_channels=scale_channels(16, width), expansion=1)
    chain.add("first_block", first)
    stages = tuple(scale_channels(channels, width) for channels in (24, 40, 80, 96, 192, 320))
    chain.add_stages(stages, (4, 4, 4, 4, 4, 1), (2, 2, 2, 1, 2, 1))
    chain.add_head(scale_channels(1280, width) if width > 1 else 1280, classes)
    return Space("proxyless-mobile", tuple(chain.layers))


def proxyless_tiny(resolution: int = 32, width: float = 1.0, classes: int = 10, channels: int = 3) -> Space:
    """The same candidates for images of 28 to 32 px: nine searchable blocks in three stages."""
    _check(resolution, width, classes)
    chain = ChainBuilder((channels, resolution, resolution))
    chain.add("stem", make_op("conv", chain.shape, out_channels=scale_channels(16, width)))
    chain.add("first_block", make_op("mbconv", chain.shape, out_channels=scale_channels(16, width), expansion=1))
    stages = tuple(scale_channels(wide, width) for wide in (24, 40, 80))
    chain.add_stages(stages, (3, 3, 3), (2, 2, 2))
    chain.add_head(scale_channels(320, width), classes)
    return Space("proxyless-tiny", tuple(chain.layers))
