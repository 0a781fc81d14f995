"""Data that fits in memory: scikit-learn's digits, `.npz` arrays, and idx files as of MNIST."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from latkit._io import reading
from latkit._io.parsing.archives import MAX_RATIO, SMALL_BYTES, open_bytes, read_npz
from latkit.errors import BadFile
from latkit.search.data.images import ArrayImages, DataSplit, fit_images, make_split

Array = NDArray[np.generic]

NPZ_FIELDS = ("train_images", "train_labels", "test_images", "test_labels")

MAX_CLASSES = 100_000
"""More than any data set has. A label of 2**33 is a mistake, and one counter per class would exhaust the memory."""


def load_digits(resolution: int, channels: int) -> DataSplit:
    """scikit-learn's 1,797 digits of 8x8, enlarged; a fixed random fifth of them is the test set."""
    from sklearn.datasets import load_digits as bundled  # here, since only this function needs scikit-learn's second

    digits = bundled()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = digits.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(labels))
    test, train = order[: len(order) // 5], order[len(order) // 5 :]
    sets = [_array_images(images[part], labels[part], resolution, channels) for part in (train, test)]
    return make_split("digits", sets[0], sets[1], [str(digit) for digit in range(10)], flip=False)


def load_npz(path: Path, resolution: int, channels: int) -> DataSplit:
    """Arrays `train_images`, `train_labels`, `test_images` and `test_labels` from one file. Raises BadFile.

    Images are uint8 of shape (n, H, W), (n, H, W, C) or (n, C, H, W) with 1 or 3 channels; labels are integers from 0.
    """
    expected = f"arrays {', '.join(NPZ_FIELDS)} in .npz"
    with reading(path, expected):
        arrays = read_npz(path, NPZ_FIELDS)
        missing = [name for name in NPZ_FIELDS if name not in arrays]
        if missing:
            raise BadFile(path, expected, f"no {missing[0]}")
        return split_arrays(path.stem, path, arrays, resolution, channels, flip=True)


def split_arrays(
    name: str, path: Path, arrays: dict[str, Array], resolution: int, channels: int, flip: bool
) -> DataSplit:
    """The split of four arrays, checked. Raises BadFile naming the array."""
    sets, classes = [], 0
    for part in ("train", "test"):
        images = _check_images(path, f"{part}_images", arrays[f"{part}_images"])
        labels = _check_labels(path, f"{part}_labels", arrays[f"{part}_labels"], len(images))
        classes = classes or int(labels.max()) + 1
        if classes < 2:
            raise BadFile(path, "train_labels of at least 2 classes", "one class")
        if classes > MAX_CLASSES:
            raise BadFile(path, f"at most {MAX_CLASSES} classes", f"label {classes - 1} among {part}_labels")
        if labels.max() >= classes:
            raise BadFile(path, f"test_labels of the {classes} classes of train_labels", f"label {labels.max()}")
        check_memory(path, len(images), resolution, channels)
        sets.append(_array_images(images, labels, resolution, channels))
    return make_split(name, sets[0], sets[1], [str(label) for label in range(classes)], flip)


def _array_images(images: NDArray[np.uint8], labels: NDArray[np.int64], resolution: int, channels: int) -> ArrayImages:
    return ArrayImages(fit_images(torch.tensor(images), resolution, channels), torch.tensor(labels))


def _check_images(path: Path, field: str, array: Array) -> NDArray[np.uint8]:
    """The images as (n, C, H, W)."""
    expected = f"{field} as uint8 of shape (n, H, W), (n, H, W, C) or (n, C, H, W) with 1 or 3 channels"
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or 0 in array.shape:
        raise BadFile(path, expected, f"{array.dtype} of shape {array.shape}")
    images = array.astype(np.uint8, copy=False)
    if images.ndim == 3:
        return images[:, None]
    if images.shape[-1] in (1, 3):
        return np.moveaxis(images, -1, 1)
    if images.shape[1] in (1, 3):
        return images
    raise BadFile(path, expected, f"shape {array.shape}")


def _check_labels(path: Path, field: str, array: Array, count: int) -> NDArray[np.int64]:
    if array.dtype.kind not in "iu" or array.shape != (count,):
        raise BadFile(path, f"{field} as integers of shape ({count},)", f"{array.dtype} of shape {array.shape}")
    if array.dtype.kind == "u" and int(array.max()) >= 2**63:
        raise BadFile(path, f"at most {MAX_CLASSES} classes", f"label {int(array.max())} among {field}")
    labels = array.astype(np.int64)
    if labels.min() < 0:
        raise BadFile(path, f"{field} counted from 0", f"label {labels.min()}")
    return labels


def check_memory(path: Path, count: int, resolution: int, channels: int) -> None:
    """Raise BadFile where this many images would not fit into this machine's memory at a resolution."""
    need, have = count * channels * resolution**2, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if need > have:
        found = f"{count}, which take {need / 1e9:.0f} GB at {resolution} px"
        raise BadFile(path, f"as many images as fit into {have / 1e9:.0f} GB of memory", found)


IDX_FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def load_idx(folder: Path, resolution: int, channels: int) -> DataSplit:
    """The four idx files of MNIST or Fashion-MNIST, gzipped or not. Raises BadFile.

    Mirroring is off by default: these files do not tell whether they hold clothes, digits or letters.
    """
    with reading(folder, "a folder with MNIST's four idx files"):
        arrays: dict[str, Array] = {field: _read_idx(_plain_or_gz(folder / name)) for field, name in IDX_FILES.items()}
        return split_arrays(folder.name, folder, arrays, resolution, channels, flip=False)


def _plain_or_gz(path: Path) -> Path:
    gzipped = path.with_name(path.name + ".gz")
    found = next((file for file in (path, gzipped) if file.is_file()), None)
    if found is None:
        raise BadFile(path, "an idx file, gzipped or not", "no such file")
    return found


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """Two zero bytes, 8 for uint8, the rank, the sizes as big-endian 32-bit integers, the data."""
    expected = "an idx file of unsigned bytes"
    with reading(path, expected), open_bytes(path) as file:
        begin = file.read(4)
        if len(begin) < 4 or begin[:3] != b"\0\0\x08":
            raise BadFile(path, expected, f"a file that begins with {begin!r}")
        sizes = file.read(4 * begin[3])
        shape = tuple(int.from_bytes(sizes[start : start + 4], "big") for start in range(0, len(sizes), 4))
        size, max_bytes = math.prod(shape), max(SMALL_BYTES, MAX_RATIO * path.stat().st_size)
        if len(shape) != begin[3] or size > max_bytes:
            raise BadFile(path, f"{expected}, at most {max_bytes} of them", f"shape {shape}")
        content = file.read(size + 1)  # no more than the declared size, even if a gzip file holds more
        if len(content) != size:
            found = f"more than {size}" if len(content) > size else f"{len(content)}"
            raise BadFile(path, f"{expected} of shape {shape}", f"{found} bytes of data")
        return np.frombuffer(content, np.uint8).reshape(shape)
