"""Augmentation: random crops and mirroring, drawn once per batch, so that images and targets may share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Random crops of images padded by a number of pixels, and mirroring."""

    padding: int = 0
    flip: bool = False


@dataclass(frozen=True, slots=True)
class Transform:
    """The crops and mirrorings drawn for one batch."""

    padding: int
    offsets: Tensor | None
    """Row and column at which every image is cropped out of the padded one, shape (2, N, 1); None without crops."""
    mirrored: Tensor | None
    """Whether each image is mirrored, shape (N, 1, 1, 1); None without mirroring."""

    def __call__(self, images: Tensor, fill: int = 0) -> Tensor:
        """Images (N, C, H, W), or masks of that shape, cropped and mirrored. `fill` is the value of padded pixels."""
        if self.offsets is not None:
            images = _crop(images, self.padding, self.offsets, fill)
        return images if self.mirrored is None else images.flip(3).where(self.mirrored, images)


def draw_transform(
    augmentation: Augmentation, batch_size: int, generator: torch.Generator, places: slice = slice(None)
) -> Transform:
    """Draw the transform of the images at some `places` of a batch, on the generator's device.

    The draws are the same as in the full batch of `batch_size` images.
    """
    import torch

    padding, device = augmentation.padding, generator.device
    offsets = mirrored = None
    if padding:
        offsets = torch.randint(2 * padding + 1, (2, batch_size, 1), generator=generator, device=device)[:, places]
    if augmentation.flip:
        mirrored = torch.rand(batch_size, 1, 1, 1, generator=generator, device=device)[places] < 0.5
    return Transform(padding, offsets, mirrored)


def _crop(images: Tensor, padding: int, offsets: Tensor, fill: int) -> Tensor:
    """Crop every image at its own offset, (2, N, 1), from a padded one."""
    import torch

    count, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (padding,) * 4, value=fill)
    rows = (offsets[0] + torch.arange(height, device=images.device)).unsqueeze(2)  # (N, H, 1)
    columns = (offsets[1] + torch.arange(width, device=images.device)).unsqueeze(1)  # (N, 1, W)
    which = torch.arange(count, device=images.device).view(-1, 1, 1)
    return padded[which, :, rows, columns].permute(0, 3, 1, 2)
