"""A subset of an image set."""

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


@dataclass(frozen=True)
class Subset:
    """A view of another set."""

    base: ImageSet
    indices: Tensor
    labels: Tensor

    @property
    def in_memory(self) -> bool:
        """As in the full set."""
        return self.base.in_memory

    @property
    def file_bytes(self) -> int:
        """Of the full set."""
        return self.base.file_bytes

    def fetch(self, indices: Tensor) -> Tensor:
        """Decode the images."""
        return self.base.fetch(self.indices[indices])

    def digest(self) -> bytes:
        """Hash of the full set's digest and of the indices."""
        return hashlib.sha256(self.base.digest() + self.indices.numpy().tobytes()).digest()
