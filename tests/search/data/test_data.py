from __future__ import annotations

import gzip
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image

from latkit.errors import BadFile, MissingExtra, UsageError
from latkit.search.baselines.shared_weights import SharedWeights, uniform_phase
from latkit.search.data import CachedImages, DataSplit, Feed, Feeder, fetch_by_threads, load_data
from latkit.search.data.images import fit_images
from latkit.search.records.problem import Problem
from latkit.search.tasks import Augmentation, draw_transform
from latkit.search.tasks.classification import CLASSIFICATION
from latkit.spaces import Space
from tests.search.conftest import Tables, brief, stripes

CPU = torch.device("cpu")


def feeder(data: DataSplit, workers: int = 0, seed: int = 0, batch_size: int = 8) -> Feeder:
    indices = torch.arange(len(data.train.labels))
    feed = Feed(CLASSIFICATION, batch_size, seed, Augmentation(1, True), workers)
    return Feeder(data, data.train, indices, feed, CPU)


def write_folder(root: Path, count: int = 12) -> Path:
    for part, seed in (("train", 0), ("test", 1)):
        images, labels = stripes(count, seed=seed)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            folder = root / part / ("across", "along")[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{number}.png")
    return root


def test_digits_come_in_any_resolution() -> None:
    data = load_data("digits", 16)
    assert (len(data.train.labels), len(data.test.labels), data.classes) == (1438, 359, 10)
    assert data.shape == (3, 16, 16)
    images = data.train.fetch(torch.arange(4))
    assert images.dtype == torch.uint8
    assert images.shape == (4, 3, 16, 16)
    assert torch.equal(images[:, 0], images[:, 2])
    assert not data.flip
    assert load_data("digits", 8, 1).shape == (1, 8, 8)


@pytest.mark.parametrize("layout", ["gray", "last", "first"])
def test_arrays_come_in_three_layouts(tmp_path: Path, layout: str) -> None:
    images, labels = stripes(10)
    shaped = {"gray": images, "last": np.stack([images] * 3, -1), "first": np.stack([images] * 3, 1)}[layout]
    path = tmp_path / "a.npz"
    np.savez(path, train_images=shaped, train_labels=labels, test_images=shaped, test_labels=labels)
    data = load_data(str(path), 8, 3)
    expected = torch.from_numpy(images)[:, None].expand(-1, 3, -1, -1)
    assert torch.equal(data.train.fetch(torch.arange(10)), expected)
    assert torch.equal(load_data(str(path), 8, 1).train.fetch(torch.arange(10)), expected[:, :1])
    assert load_data(str(path), 12, 3).shape == (3, 12, 12)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("test_labels", None, "no test_labels"),
        ("train_images", np.zeros((4, 8, 8), np.float32), "expected train_images as uint8 .* float32"),
        ("test_images", np.zeros((4, 8, 8, 5), np.uint8), "expected test_images .* 1 or 3 channels"),
        ("train_images", np.zeros((0, 8, 8), np.uint8), "expected train_images"),
        ("train_labels", np.zeros(3, np.int64), r"train_labels as integers of shape \(4,\)"),
        ("train_labels", np.array([0.0, 1, 0, 1]), "train_labels as integers"),
        ("train_labels", np.array([0, 1, -1, 1]), "train_labels counted from 0, but found label -1"),
        ("train_labels", np.zeros(4, np.int64), "at least 2 classes"),
        ("test_labels", np.array([0, 1, 2, 1]), "the 2 classes of train_labels, but found label 2"),
        ("train_images", np.array([{"a": 1}] * 4), "Object arrays cannot be loaded"),
    ],
)
def test_a_wrong_array_is_named(tmp_path: Path, field: str, value: np.ndarray | None, message: str) -> None:
    images, labels = np.zeros((4, 8, 8), np.uint8), np.array([0, 1, 0, 1])
    arrays = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    if value is None:
        del arrays[field]
    else:
        arrays[field] = value
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(BadFile, match=message):
        load_data(str(path), 8)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"something else"])
def test_a_file_that_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=r"in \.npz"):
        load_data(str(path), 8)


def test_unknown_data_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown data 'nonsense'; possible: digits, .*idx:FOLDER or hf:NAME"):
        load_data("nonsense", 8)
    with pytest.raises(BadFile, match="no such file"):
        load_data(str(tmp_path / "none.npz"), 8)
    with pytest.raises(UsageError, match="1 or 3 channels"):
        load_data("digits", 8, 2)


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return b"\0\0\x08" + bytes([array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def write_idx(folder: Path) -> None:
    for part, seed in (("train", 0), ("t10k", 1)):
        images, labels = stripes(10, seed=seed)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))


def test_idx_files_are_read_gzipped_or_not(tmp_path: Path) -> None:
    write_idx(tmp_path)
    data = load_data(f"idx:{tmp_path}", 8, 1)
    images, labels = stripes(10)
    assert torch.equal(data.train.fetch(torch.arange(10))[:, 0], torch.from_numpy(images))
    assert data.train.labels.tolist() == labels.tolist()
    assert not data.flip  # it may be MNIST


@pytest.mark.parametrize("content", [b"", b"\0\0\x09\x01", b"\0\0\x08\x03\0\0\0\x09"])
def test_a_broken_idx_file_is_named(tmp_path: Path, content: bytes) -> None:
    write_idx(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(BadFile, match="train-images-idx3-ubyte: expected an idx file"):
        load_data(f"idx:{tmp_path}", 8)
    (tmp_path / "train-images-idx3-ubyte").unlink()
    with pytest.raises(BadFile, match="no such file"):
        load_data(f"idx:{tmp_path}", 8)


def test_a_folder_of_images_is_decoded_on_demand(tmp_path: Path) -> None:
    data = load_data(str(write_folder(tmp_path)), 8, 1)
    assert data.class_names == ("across", "along")
    assert not data.train.in_memory
    images, labels = stripes(12)
    order = [n for label in (0, 1) for n in sorted(np.flatnonzero(labels == label), key=lambda n: f"{n}.png")]
    assert torch.equal(data.train.fetch(torch.arange(12))[:, 0], torch.from_numpy(images[order]))
    assert load_data(str(tmp_path), 6, 3).shape == (3, 6, 6)


def test_grey_of_sixteen_bits_is_scaled(tmp_path: Path) -> None:
    """Pillow's own conversion makes white of all that is above 255."""
    write_folder(tmp_path)
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    first = min((tmp_path / "train" / "across").iterdir())
    for kind in ("<u2", ">u2"):
        Image.fromarray((gray * np.uint16(257)).astype(kind)).save(first.with_name("-.tif"))
        assert torch.equal(load_data(str(tmp_path), 8, 1).train.fetch(torch.tensor([0]))[0, 0], torch.from_numpy(gray))
    first.with_name("-.tif").unlink()
    Image.fromarray((gray * np.uint16(257)).astype(np.uint16)).save(first)
    color = load_data(str(tmp_path), 8, 3).train.fetch(torch.tensor([0]))
    assert torch.equal(color[0, 2], torch.from_numpy(gray))
    Image.fromarray(gray.astype(np.float32)).save(first.with_name("-.tif"))
    with pytest.raises(BadFile, match=r"-\.tif: expected an image, but found pixels of Pillow's mode F; convert it"):
        load_data(str(tmp_path), 8, 1).train.fetch(torch.tensor([0]))


def test_broken_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no train folder"):
        load_data(str(tmp_path), 8)
    write_folder(tmp_path)
    outside = tmp_path.parent / f"{tmp_path.name}-outside.png"
    outside.write_bytes(b"")
    link = tmp_path / "train" / "along" / "link.png"
    link.symlink_to(outside)
    with pytest.raises(BadFile, match="expected an image inside"):
        load_data(str(tmp_path), 8)
    link.unlink()
    (tmp_path / "test" / "sideways").mkdir()
    with pytest.raises(BadFile, match="found class 'sideways'"):
        load_data(str(tmp_path), 8)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_corrupt_image_is_named(tmp_path: Path, workers: int) -> None:
    data = load_data(str(write_folder(tmp_path)), 8, 1)
    broken = next((tmp_path / "train" / "along").iterdir())
    broken.write_bytes(b"no picture")
    with pytest.raises(BadFile, match=rf"{broken}: expected an image, but found .*cannot identify"):
        list(itertools.islice(feeder(data, workers, batch_size=4).stream(), 3))


@pytest.mark.slow
def test_workers_give_the_batches_that_one_process_gives(tmp_path: Path) -> None:
    data = load_data(str(write_folder(tmp_path)), 8, 1)
    one_process = itertools.islice(feeder(data).stream(), 3)
    helped = itertools.islice(feeder(data, workers=1).stream(), 3)
    for one, other in zip(one_process, helped, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


def test_threads_give_the_same_images_as_one_and_cached_images_are_decoded_once(tmp_path: Path) -> None:
    train = load_data(str(write_folder(tmp_path)), 8, 1).train
    indices = torch.tensor([7, 0, 3, 11, 3])
    expected = train.fetch(indices)
    assert torch.equal(fetch_by_threads(train, indices, 2), expected)
    cached = CachedImages(train, 2)
    assert torch.equal(cached.fetch(indices[:2]), expected[:2])
    for file in (tmp_path / "train").glob("*/*.png"):
        file.write_bytes(b"no picture")
    assert torch.equal(cached.fetch(indices[:2]), expected[:2])
    with pytest.raises(BadFile, match="expected an image, but found"):
        cached.fetch(indices)


def test_shared_weights_read_files_once(tmp_path: Path, mini_space: Space, table_of: Tables) -> None:
    data, fabric = load_data(str(write_folder(tmp_path, 40)), 8, 1), Fabric(accelerator="cpu", devices=1)
    supernet, phase = uniform_phase(Problem(mini_space, table_of(mini_space), data, 1.0, brief()), fabric)
    fitness = SharedWeights(supernet, phase, data, 16)
    (first,) = fitness.judge([(1, 4)])
    for file in (tmp_path / "train").glob("*/*.png"):
        file.write_bytes(b"no picture")
    assert fitness.judge([(1, 4)])[0].quantities == first.quantities


def test_batches_follow_from_seed_and_number(stripes_data: DataSplit) -> None:
    reference = list(itertools.islice(feeder(stripes_data).stream(), 30))
    late = next(feeder(stripes_data).stream(25))
    assert torch.equal(late[0], reference[25][0])
    assert not torch.equal(reference[0][0], next(feeder(stripes_data, seed=1).stream())[0])
    assert not torch.equal(reference[0][1], reference[12][1])  # another pass, another order
    assert reference[0][0].is_contiguous(memory_format=torch.channels_last)


def test_one_pass_shows_every_image_once(stripes_data: DataSplit) -> None:
    plan = feeder(stripes_data).plan
    shown = torch.cat([plan.indices_of(number) for number in range(plan.batches_per_pass)])
    assert sorted(shown.tolist()) == list(range(96))


def test_images_are_moved_and_mirrored_one_by_one() -> None:
    image = torch.arange(1, 26, dtype=torch.uint8).view(1, 1, 5, 5).expand(64, 1, 5, 5)
    moved = draw_transform(Augmentation(1, False), 64, torch.Generator().manual_seed(0))(image)
    assert moved.shape == image.shape
    centers = {int(value) for value in moved[:, 0, 2, 2]}
    assert centers == {7, 8, 9, 12, 13, 14, 17, 18, 19}
    mirrored = draw_transform(Augmentation(0, True), 64, torch.Generator().manual_seed(0))(image)
    assert {int(value) for value in mirrored[:, 0, 0, 0]} == {1, 5}
    assert draw_transform(Augmentation(), 64, torch.Generator())(image) is image


def test_hub_datasets_are_read_from_a_folder(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["across", "along"])})
    parts = {}
    for part, seed in (("train", 0), ("test", 1)):
        images, labels = stripes(10, seed=seed)
        rows = {"image": [Image.fromarray(image) for image in images], "label": labels.tolist()}
        parts[part] = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "set")
    data = load_data(f"hf:{tmp_path / 'set'}", 8, 1)
    assert data.class_names == ("across", "along")
    assert torch.equal(data.train.fetch(torch.arange(10))[:, 0], torch.from_numpy(stripes(10)[0]))
    datasets.DatasetDict({"train": parts["train"]}).save_to_disk(tmp_path / "half")
    with pytest.raises(BadFile, match="the splits train and test, but found train"):
        load_data(f"hf:{tmp_path / 'half'}", 8, 1)


def test_hub_datasets_need_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"pip install 'latkit\[hub\]'"):
        load_data("hf:somebody/something", 8)


def test_images_are_fitted_alike_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.randint(256, (7, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    reference = fit_images(images, 8, 1)
    monkeypatch.setattr("latkit.search.data.images.CHUNK", 3)
    assert reference.shape == (7, 1, 8, 8)
    assert torch.equal(fit_images(images, 8, 1), reference)
