"""Image sets: labeled images, held in memory or decoded on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from latkit._io import reading
from latkit.errors import BadFile
from latkit.search.data.classes import check_classes

if TYPE_CHECKING:
    from PIL import Image

IMAGE = "an image"
"""The expected kind of file, for errors."""

MAX_PIXELS = 2**26
"""Maximum pixels of one image: decoded and converted, they take half a gigabyte. A file of a few kB can declare
more."""


class ImageSet(Protocol):
    """Labeled images of one shape."""

    @property
    def labels(self) -> Tensor:
        """Shape (n,), int64, from 0 to classes - 1."""

    @property
    def in_memory(self) -> bool:
        """Whether `fetch` only indexes memory; if not, worker processes pay off."""

    def fetch(self, indices: Tensor) -> Tensor:
        """The images at these indices, uint8, shape (len(indices), C, H, W). Raises BadFile."""

    def digest(self) -> bytes:
        """Hash of the labels, and of what identifies the images without decoding them."""

    @property
    def file_bytes(self) -> int:
        """Total size of the image files; 0 where images are not individual files."""


@dataclass(frozen=True)
class ArrayImages:
    """Images in memory: uint8, shape (n, C, H, W)."""

    images: Tensor
    labels: Tensor
    in_memory: bool = True
    file_bytes: int = 0

    def fetch(self, indices: Tensor) -> Tensor:
        """Index the array."""
        return self.images[indices]

    def digest(self) -> bytes:
        """Hash of labels, shape and all pixels."""
        digest = hashlib.sha256(_bytes(self.labels) + repr(tuple(self.images.shape)).encode())
        for chunk in torch.split(self.images, 4096):
            digest.update(_bytes(chunk))
        return digest.digest()


class CachedImages:
    """Images of another set, which stay in memory once they were fetched."""

    def __init__(self, images: ImageSet, workers: int) -> None:
        self.labels, self.file_bytes, self.in_memory = images.labels, images.file_bytes, True
        self.digest = images.digest
        self._images, self._workers = images, workers
        self._cache: dict[int, Tensor] = {}

    def fetch(self, indices: Tensor) -> Tensor:
        """Decode those that are not in memory yet."""
        missing = [index for index in indices.tolist() if index not in self._cache]
        if missing:
            found = fetch_by_threads(self._images, torch.tensor(missing), self._workers)
            self._cache.update(zip(missing, found, strict=True))
        return torch.stack([self._cache[index] for index in indices.tolist()])


@dataclass(frozen=True)
class DecodedImages:
    """Images that are opened one by one, resized to the resolution and cropped to the middle square."""

    open_image: Callable[[int], Image.Image]
    """Opens the image at an index; may raise whatever Pillow raises."""
    names: Sequence[str]
    """Name of each image, for errors."""
    labels: Tensor
    resolution: int
    channels: int
    files: Sequence[str] = ()
    """Where each image is a file: its name inside the folder of the data."""
    file_bytes: int = 0
    in_memory: bool = False

    def fetch(self, indices: Tensor) -> Tensor:
        """Decode the images."""
        return torch.stack([self._decode(index) for index in indices.tolist()])

    def digest(self) -> bytes:
        """Hash of labels and of the files' names. File contents are left out: reading all takes as long as a pass."""
        return hashlib.sha256(_bytes(self.labels) + "\0".join(self.files).encode(errors="surrogateescape")).digest()

    def _decode(self, index: int) -> Tensor:
        from PIL import Image, ImageOps

        with reading(self.names[index], IMAGE), self.open_image(index) as image:
            check_pixels(image)
            converted = _eight_bits(image).convert("L" if self.channels == 1 else "RGB")
            square = ImageOps.fit(converted, (self.resolution, self.resolution), Image.Resampling.BILINEAR)
        flat = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8)
        return flat.view(self.resolution, self.resolution, self.channels).permute(2, 0, 1)


def check_pixels(image: Image.Image) -> None:
    """Raise ValueError for an opened image of more than MAX_PIXELS, before it is decoded."""
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS}; make it smaller")


def found_instead(error: BadFile) -> str:
    """Describes what was found in place of an image, for errors."""
    return str(error).removeprefix(f"{error.path}: expected {IMAGE}, but found ")


def _eight_bits(image: Image.Image) -> Image.Image:
    """A gray image of 16 bits scaled to 8, since Pillow's `convert` clips; others unchanged.

    Raises ValueError for 32 bits and floats, whose white level is unknown.
    """
    from PIL import Image

    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of Pillow's mode {image.mode}; convert it to 8 or 16 bits")
    return image


@dataclass(frozen=True)
class DataSplit:
    """Images to train on and images to test on, with their normalization."""

    name: str
    train: ImageSet
    test: ImageSet
    class_names: tuple[str, ...]
    resolution: int
    channels: int
    mean: tuple[float, ...]
    """Per channel, of training images scaled to 0..1."""
    std: tuple[float, ...]
    flip: bool = True
    """Whether a mirrored image still shows its class: true of animals, not of digits."""
    source: str = ""
    """The source that `load_data` was given; empty for other images."""

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one image: (C, H, W)."""
        return self.channels, self.resolution, self.resolution

    @cached_property
    def sha256(self) -> str:
        """Hash of all labels, and of the images' pixels if they are in memory, or of their names if they are files."""
        return hashlib.sha256(self.train.digest() + self.test.digest()).hexdigest()


def fetch_by_threads(images: ImageSet, indices: Tensor, workers: int) -> Tensor:
    """The images at these indices as `fetch` gives them; those not in memory are decoded by `threads` threads.

    Pillow decodes and resizes without Python's lock. For single batches, processes would take longer to start.
    """
    if images.in_memory or workers < 2:
        return images.fetch(indices)
    with ThreadPoolExecutor(workers) as pool:
        return torch.cat(list(pool.map(images.fetch, torch.chunk(indices, workers))))


def make_split(
    name: str, train: ImageSet, test: ImageSet, class_names: Sequence[str], flip: bool = True, sample: int = 512
) -> DataSplit:
    """A split with mean and standard deviation of up to `sample` training images, evenly spaced.

    Raises UsageError for fewer than two classes, or a class without training images; and BadFile.
    """
    check_classes(name, train.labels, test.labels, class_names)
    count = len(train.labels)
    indices = torch.linspace(0, count - 1, min(sample, count)).round().long()
    images = train.fetch(indices).float() / 255
    _, channels, resolution, _ = images.shape
    mean = images.mean((0, 2, 3))
    std = images.std((0, 2, 3)).clamp_min(1e-3)
    return DataSplit(
        name, train, test, tuple(class_names), resolution, channels, tuple(mean.tolist()), tuple(std.tolist()), flip
    )


CHUNK = 4096
"""Maximum images that are reshaped at once."""


def fit_images(images: Tensor, resolution: int, channels: int) -> Tensor:
    """Images of shape (n, C, H, W), uint8, at a resolution and with 1 or 3 channels.

    Gray is repeated to give color; color is averaged to give gray.
    """
    # in chunks, since floats take four times the memory
    if images.shape[1] == 3 and channels == 1:
        images = torch.cat([_to_gray(chunk) for chunk in torch.split(images, CHUNK)])
    if images.shape[2:] != (resolution, resolution):
        images = torch.cat([_resize(chunk, resolution) for chunk in torch.split(images, CHUNK)])
    return images.expand(-1, channels, -1, -1).contiguous()


def _bytes(tensor: Tensor) -> bytes:
    return tensor.cpu().contiguous().numpy().tobytes()


def _to_gray(images: Tensor) -> Tensor:
    return images.float().mean(1, keepdim=True).round().to(torch.uint8)


def _resize(images: Tensor, resolution: int) -> Tensor:
    resized = F.interpolate(images.float(), (resolution, resolution), mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)
