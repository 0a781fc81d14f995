"""counted: a chain's supernet that counts how often each of its choices ran which candidate."""

from __future__ import annotations

import torch
from torch import Tensor

from latkit.search.supernet.chain_net import ChainNet
from latkit.spaces import Architecture, Space


class CountedNet(ChainNet):
    """The counts are saved with the weights, as `runs` of shape (choices, candidates)."""

    runs: Tensor

    def __init__(self, space: Space, checkpointing: bool = False) -> None:
        super().__init__(space, checkpointing)
        widths = [len(choice.options) for choice in space.choices]
        self.register_buffer("runs", torch.zeros(len(widths), max(widths)))

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        """Scores (N, classes) of images (N, C, H, W)."""
        self.runs[range(len(architecture)), architecture] += 1
        return super().forward(images, architecture)
