"""The same images at another resolution."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn import functional as F

from latkit.search.data.images import ArrayImages, DataSplit, DecodedImages, ImageSet, fit_images
from latkit.search.data.subset import ImageView, Subset


def resized(images: Tensor, resolution: int) -> Tensor:
    """Normalized images (N, C, H, W) at a resolution, by the same filter as `at_resolution`. On their device."""
    if images.shape[-1] == resolution:
        return images
    return F.interpolate(images, (resolution, resolution), mode="bilinear", antialias=True)


def at_resolution(data: DataSplit, resolution: int) -> DataSplit:
    """The split at a resolution, with the normalization that it has."""
    if resolution == data.resolution:
        return data
    sets = {"train": images_at(data.train, resolution), "test": images_at(data.test, resolution)}
    return replace(data, resolution=resolution, **sets)  # type: ignore[arg-type]


def images_at(images: ImageSet, resolution: int) -> ImageSet:
    """An image set at a resolution."""
    if isinstance(images, DecodedImages):
        return replace(images, resolution=resolution)
    if isinstance(images, Subset):
        return replace(images, base=images_at(images.base, resolution))
    if isinstance(images, ArrayImages):
        return replace(images, images=fit_images(images.images, resolution, images.images.shape[1]))
    return _Resized(images, resolution)


@dataclass(frozen=True)
class _Resized(ImageView):
    """Images of another set, resized when they are fetched."""

    base: ImageSet
    resolution: int

    @property
    def labels(self) -> Tensor:
        """As in the other set."""
        return self.base.labels

    def fetch(self, indices: Tensor) -> Tensor:
        """Fetch and resize the images."""
        found = self.base.fetch(indices)
        return fit_images(found, self.resolution, found.shape[1])

    def digest(self) -> bytes:
        """Of the other set, and of the resolution."""
        return self.base.digest() + str(self.resolution).encode()
