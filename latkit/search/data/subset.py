"""Views of an image set, and the view of some of its images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from torch import Tensor

from latkit.search.data.images import ArrayImages, ImageSet


def subset(images: ImageSet, indices: Tensor) -> ImageSet:
    """The images at these indices: copied if they are in memory, decoded on demand otherwise."""
    labels = images.labels[indices]
    if isinstance(images, ArrayImages):
        return ArrayImages(images.images[indices], labels)
    return Subset(images, indices, labels)


class ImageView:
    """Base of sets that fetch their images from another one, `base`."""

    base: ImageSet

    @property
    def in_memory(self) -> bool:
        """As in the other set."""
        return self.base.in_memory

    @property
    def file_bytes(self) -> int:
        """Of the other set."""
        return self.base.file_bytes


@dataclass(frozen=True)
class Subset(ImageView):
    """Some of the images of another set."""

    base: ImageSet
    indices: Tensor
    labels: Tensor

    def fetch(self, indices: Tensor) -> Tensor:
        """Decode the images."""
        return self.base.fetch(self.indices[indices])

    def digest(self) -> bytes:
        """Hash of the full set's digest and of the indices."""
        return hashlib.sha256(self.base.digest() + self.indices.numpy().tobytes()).digest()
