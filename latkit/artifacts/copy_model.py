"""A model that only copies: what its bytes take is the memory's rate under a runtime."""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

from latkit.artifacts.export import export_module
from latkit.ops import Shape
from latkit.runtimes.artifact import Artifact
from latkit.runtimes.base import Runtime


class Copy(nn.Module):
    """The input twice: (N, C, H, W) -> (N, C, 2 H, W), long pieces in either layout."""

    def forward(self, images: Tensor) -> Tensor:
        """Concatenated along the height."""
        return torch.cat((images, images), dim=2)


def export_copy(runtime: Runtime, shape: Shape, path: str | os.PathLike[str], batch: int) -> Artifact:
    """The model for inputs of (batch, *shape). Raises ExportError and MissingExtra."""
    return export_module(runtime, Copy(), shape, path, batch)
