"""The torch module of the op kind."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GhostModule(nn.Module):
    """(N, channels, H, W) -> (N, 2 * half, H, W)."""

    def __init__(self, channels: int, half: int, kernel: int) -> None:
        super().__init__()
        self.primary = _convolution(channels, half, 1, groups=1)
        self.cheap = _convolution(half, half, kernel, groups=half)

    def forward(self, images: Tensor) -> Tensor:
        """The first half, and what the depthwise convolution makes of it."""
        first = self.primary(images)
        return torch.cat((first, self.cheap(first)), dim=1)


def _convolution(channels: int, out_channels: int, kernel: int, groups: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels, out_channels, kernel, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.ReLU())
