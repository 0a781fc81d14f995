"""The torch modules that op kinds are built of. Imported only where a module is built."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBatchNorm(nn.Sequential):
    """Convolution padded by half its kernel, batch norm, activation: (N, C, H, W) -> (N, out_channels, H', W')."""

    def __init__(
        self, channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1, activation: str = "none"
    ) -> None:
        convolution = nn.Conv2d(channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(out_channels), *activations(activation))


class Block(nn.Module):
    """A body, with or without a residual: (N, C, H, W) -> (N, out_channels, H', W')."""

    def __init__(self, body: nn.Module, residual: bool) -> None:
        super().__init__()
        self.body = body
        self.residual = residual

    def forward(self, images: Tensor) -> Tensor:
        """Body, plus the input where the block has a residual."""
        out: Tensor = self.body(images)
        return images + out if self.residual else out


class GlobalPool(nn.Module):
    """Average or maximum over the image: (N, C, H, W) -> (N, C)."""

    def __init__(self, function: str) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        """Pool over height and width. Written so that no runtime's exporter transposes the image first."""
        pooled = images.amax((2, 3), keepdim=True) if self.function == "max" else F.adaptive_avg_pool2d(images, 1)
        return pooled.flatten(1)


class Add(nn.Module):
    """The sum of its inputs, which have one shape."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Add from the first input to the last."""
        total = inputs[0]
        for other in inputs[1:]:
            total = total + other
        return total


class Concat(nn.Module):
    """Its inputs one after the other along channels or features: (N, C1, ...), (N, C2, ...) -> (N, C1 + C2, ...)."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Join in the order of the inputs."""
        return torch.cat(inputs, dim=1)


class Slice(nn.Module):
    """The first channels: (N, C, H, W) -> (N, channels, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, images: Tensor) -> Tensor:
        """Cut off the other channels."""
        return images[:, : self.channels]


class Zero(nn.Module):
    """Zeros of the input's shape."""

    def forward(self, images: Tensor) -> Tensor:
        """A product, so that the output depends on the input."""
        return images * 0.0


class SqueezeExcite(nn.Module):
    """Every channel times a gate: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int, hidden: int, activation: str, gate: str = "sigmoid") -> None:
        super().__init__()
        self.gates = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, hidden, 1),
            *activations(activation),
            nn.Conv2d(hidden, channels, 1),
            *activations(gate),
        )

    def forward(self, images: Tensor) -> Tensor:
        """The gates, (N, C, 1, 1), times the input."""
        gates: Tensor = self.gates(images)
        return images * gates


def activations(name: str) -> list[nn.Module]:
    """The activation of that name as a list of one module, or of none for `none`."""
    makers: dict[str, Callable[[], nn.Module]] = {
        "relu": nn.ReLU,
        "relu6": nn.ReLU6,
        "hswish": nn.Hardswish,
        "sigmoid": nn.Sigmoid,
        "hsigmoid": nn.Hardsigmoid,
    }
    return [makers[name]()] if name != "none" else []
