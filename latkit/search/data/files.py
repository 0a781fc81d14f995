"""Data that is decoded on demand: image folders, and Hugging Face `datasets`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from latkit._io import one_line, printable, reading
from latkit.errors import BadFile, MissingExtra, UsageError
from latkit.search.data.images import IMAGE, DataSplit, DecodedImages, check_pixels, found_instead, make_split

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".tif", ".tiff", ".webp")

TEST_NAMES = ("test", "val", "validation")
"""Names of the test folder; the first that exists is used."""

EXAMINED = 20_000
"""Maximum files of each part, evenly spaced, examined at the start: a few seconds on a local disk. The rest are checked
when they are decoded."""


def load_folder(root: Path, resolution: int, channels: int) -> DataSplit:
    """Images at `train/CLASS/*` and `test/CLASS/*` (or `val/CLASS/*`). Raises BadFile, and UsageError as `make_split`.

    Files that are no images are found here, not after hours of searching.
    """
    expected = "a folder with train/CLASS/*.png and test/CLASS/*.png"
    with reading(root, expected):
        test_name = next((name for name in TEST_NAMES if (root / name).is_dir()), None)
        if not (root / "train").is_dir() or test_name is None:
            raise BadFile(root, expected, f"no {'test' if (root / 'train').is_dir() else 'train'} folder")
        class_names = sorted(folder.name for folder in _visible(root / "train") if folder.is_dir())
        if len(class_names) < 2:
            raise BadFile(root / "train", "a folder for each of at least 2 classes", f"{len(class_names)}")
        _check_text(root / "train", class_names)
        sets = [_folder_images(root, part, class_names, resolution, channels) for part in ("train", test_name)]
    return make_split(root.name, sets[0], sets[1], class_names)


def _folder_images(root: Path, part: str, class_names: list[str], resolution: int, channels: int) -> DecodedImages:
    inside = root.resolve()
    files: list[Path] = []
    labels: list[int] = []
    for folder in sorted(entry for entry in _visible(root / part) if entry.is_dir()):
        if folder.name not in class_names:
            raise BadFile(root / part, f"the classes of {root / 'train'}", f"class {folder.name!r}")
        found = sorted(file for file in _visible(folder) if file.suffix.lower() in SUFFIXES)
        for file in found:
            _check_place(file, inside)
        files += found
        labels += [class_names.index(folder.name)] * len(found)
    if not files:
        raise BadFile(root / part, f"images ending in {', '.join(SUFFIXES)}", "none")
    names = [str(file) for file in files]
    with ThreadPoolExecutor() as pool:
        list(pool.map(_examine, names[:: 1 + len(names) // EXAMINED]))
    inner = [file.relative_to(root / part).as_posix() for file in files]
    size_bytes = sum(file.stat().st_size for file in files)
    return DecodedImages(
        partial(_open_file, names), names, torch.tensor(labels), resolution, channels, inner, size_bytes
    )


def _visible(folder: Path) -> Iterator[Path]:
    """Visible entries of a folder: `.ipynb_checkpoints` is no class, and macOS's `._cat.jpg` no image."""
    return (entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _check_text(folder: Path, class_names: list[str]) -> None:
    """Raise BadFile for a class name that is not valid text: a search's files could not be read back with it."""
    for name in class_names:
        if printable(name) != name:
            raise BadFile(folder, "classes whose names can be printed, in UTF-8", f"{printable(name)!r}; rename it")


def _check_place(file: Path, inside: Path) -> None:
    """Raise BadFile unless a file is a regular one inside the data's folder: opening a FIFO would block."""
    try:
        place = file.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # Python 3.11 raises RuntimeError for a loop of links
        raise BadFile(file, "an image", f"{one_line(str(error))}; replace or remove it") from error
    if not place.is_relative_to(inside):
        raise BadFile(file, f"an image inside {inside}", f"a link to {place}")
    if not place.is_file():
        raise BadFile(file, "an image", "something that is no regular file; replace or remove it")


def _examine(name: str) -> None:
    """Raise BadFile where a file does not begin as an image does, or is damaged as far as its format shows (PNG)."""
    from PIL import Image

    try:
        with reading(name, IMAGE), Image.open(name) as image:
            check_pixels(image)
            image.verify()
    except BadFile as error:
        raise BadFile(name, IMAGE, f"{found_instead(error)}; replace or remove it") from error


def _open_file(names: list[str], index: int) -> Image.Image:
    from PIL import Image

    return Image.open(names[index])


def load_hub(name: str, resolution: int, channels: int) -> DataSplit:
    """A Hugging Face dataset with an image column and a label column, by its name or its folder.

    Raises MissingExtra without the package `datasets`, BadFile for a dataset of another structure.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra("datasets", "hub") from error
    try:
        splits = datasets.load_from_disk(name) if Path(name).is_dir() else datasets.load_dataset(name)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise UsageError(f"expected a Hugging Face dataset named {name!r}, but found {error}") from error
    with reading(f"hf:{name}", "a dataset of images with class labels"):
        return _hub_split(datasets, name, splits, resolution, channels)


def _hub_split(datasets: Any, name: str, splits: Any, resolution: int, channels: int) -> DataSplit:
    available = list(splits) if isinstance(splits, dict) else []
    test_name = next((part for part in TEST_NAMES if part in available), None)
    if "train" not in available or test_name is None:
        raise BadFile(f"hf:{name}", "the splits train and test", ", ".join(map(str, available)) or "one split")
    image_column, label_column = _columns(datasets, name, splits["train"].features)
    class_names = splits["train"].features[label_column].names
    sets = [
        _hub_images(f"hf:{name}", splits[part], image_column, label_column, resolution, channels)
        for part in ("train", test_name)
    ]
    return make_split(Path(name).name, sets[0], sets[1], class_names)


def _columns(datasets: Any, name: str, features: Any) -> tuple[str, str]:
    """Names of the column of images and of the column of class labels."""
    images = [column for column, feature in features.items() if isinstance(feature, datasets.Image)]
    labels = [column for column, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    if len(images) != 1 or not labels:
        raise BadFile(f"hf:{name}", "one column of images and a column of class labels", ", ".join(features))
    return images[0], labels[0]


def _hub_images(
    name: str, split: Any, image_column: str, label_column: str, resolution: int, channels: int
) -> DecodedImages:
    labels = torch.tensor(split[label_column][:])
    names = [f"{name}, image {index}" for index in range(len(labels))]
    return DecodedImages(partial(_open_row, split, image_column), names, labels, resolution, channels)


def _open_row(split: Any, image_column: str, index: int) -> Image.Image:
    from PIL import Image

    image = split[index][image_column]
    assert isinstance(image, Image.Image)
    return image
