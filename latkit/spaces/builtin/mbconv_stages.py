"""Parts of the spaces of ProxylessNAS: stages of MBConv blocks, and what comes before and after them."""

from __future__ import annotations

from latkit.errors import UsageError
from latkit.ops import Op, Shape, make_op
from latkit.spaces.chain import Layer

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


def check_parameters(resolution: int, width: float, classes: int) -> None:
    """Raise UsageError for a resolution, a width or a number of classes that no space can have."""
    if resolution < 8 or not 0.1 <= width <= 8 or classes < 2:
        raise UsageError(
            f"expected a resolution of at least 8, a width from 0.1 to 8 and at least 2 classes, "
            f"but found {resolution}, {width} and {classes}"
        )
