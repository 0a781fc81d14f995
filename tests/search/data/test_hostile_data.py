"""Images and arrays not made for latkit: hidden files, bombs, wrong sizes, and things that are no file."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from latkit.errors import BadFile
from latkit.search.data import load_data
from tests.search.conftest import stripes
from tests.search.data.test_data import write_folder


@pytest.mark.parametrize("part", ["train", "test", "both"])
def test_hidden_folders_are_no_classes(tmp_path: Path, part: str) -> None:
    plain = load_data(str(write_folder(tmp_path)), 8, 1)
    for name in ("train", "test") if part == "both" else (part,):
        hidden = tmp_path / name / ".ipynb_checkpoints"
        hidden.mkdir()
        Image.fromarray(stripes(1)[0][0]).save(hidden / "0-checkpoint.png")
    data = load_data(str(tmp_path), 8, 1)
    assert data.class_names == ("across", "along")
    assert data.sha256 == plain.sha256


def test_hidden_files_are_no_images(tmp_path: Path) -> None:
    plain = load_data(str(write_folder(tmp_path)), 8, 1)
    for image in list(tmp_path.rglob("*.png")):  # macOS leaves these next to every file on another system's disk
        image.with_name(f"._{image.name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    (tmp_path / "train" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    assert load_data(str(tmp_path), 8, 1).sha256 == plain.sha256


def test_what_is_no_regular_file_is_named_at_once(tmp_path: Path) -> None:
    odd = write_folder(tmp_path) / "train" / "along" / "odd.png"
    os.mkfifo(odd)
    with pytest.raises(BadFile, match=r"odd\.png: expected an image, but found something that is no regular file"):
        load_data(str(tmp_path), 8)
    odd.unlink()
    odd.symlink_to(odd)
    with pytest.raises(BadFile, match=r"odd\.png: expected an image, but found .*[Ll]oop.*; replace or remove it"):
        load_data(str(tmp_path), 8)


def test_a_class_that_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path)
    for part in ("train", "test"):
        (tmp_path / part / "along").rename(tmp_path / part / "al\udcffng")
    with pytest.raises(BadFile, match=r"expected classes whose names can be printed, .*udcff.*; rename it"):
        load_data(str(tmp_path), 8)


def test_an_image_that_claims_to_be_huge_is_not_decoded(tmp_path: Path) -> None:
    path = write_folder(tmp_path) / "train" / "along" / "bomb.gif"
    Image.new("P", (64, 64)).save(path)
    content = bytearray(path.read_bytes())
    content[6:10] = b"\x40\x20\x40\x20"  # the size of GIF's screen, 8256 x 8256, and of the picture on it
    start = content.index(b"\x2c\0\0\0\0") + 5
    content[start : start + 4] = content[6:10]
    path.write_bytes(bytes(content))
    with pytest.raises(BadFile, match=r"bomb\.gif: expected an image, but found 8256 x 8256 pixels, more than 6710"):
        load_data(str(tmp_path), 8)


def npz_with_header(path: Path, header: str, data: bytes, claimed: int | None = None) -> None:
    """An archive whose train_images has this header, and whose length may be wrong."""
    images, labels = np.zeros((4, 8, 8), np.uint8), np.array([0, 1, 0, 1])
    np.savez(path, train_labels=labels, test_images=images, test_labels=labels)
    text = header.encode() + b"\n"
    member = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train_images.npy", member)
    if claimed is not None:
        place = path.read_bytes().rindex(b"PK\x01\x02")
        content = bytearray(path.read_bytes())
        content[place + 24 : place + 28] = (claimed + len(member) - len(data)).to_bytes(4, "little")
        path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("shape", "data", "claimed", "message"),
    [
        ("(67108865, 8, 8)", b"", None, r"train_images: uint8 of shape \(67108865, 8, 8\) in a member of \d+ bytes"),
        ("(1000000, 16, 16)", b"", 256_000_000, "256000000 bytes out of .* compressed ones; .* uncompressed"),
        ("(2000000, 8, 8)", bytes(128_000_000), None, "128000000 bytes out of .* compressed ones; .* uncompressed"),
        ("(4, 8, 8)", bytes(100), 256, r"train_images: .*bytes"),
        ("(4, 8, 8", bytes(256), None, r"expected arrays train_images"),
        ("(" * 300 + ")" * 300, bytes(256), None, r"expected arrays train_images"),
    ],
)
def test_what_an_archive_announces_is_checked_before_memory_is_taken(
    tmp_path: Path, shape: str, data: bytes, claimed: int | None, message: str
) -> None:
    path = tmp_path / "a.npz"
    npz_with_header(path, f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}", data, claimed)
    tracemalloc.start()
    with pytest.raises(BadFile, match=message):
        load_data(str(path), 8)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 100_000_000 + len(data)


@pytest.mark.parametrize("labels", [np.array([0, 1, 0, 2**33]), np.array([0, 1, 0, 2**64 - 1], np.uint64)])
def test_a_label_beyond_all_classes_is_refused(tmp_path: Path, labels: np.ndarray) -> None:
    images, path = np.zeros((4, 8, 8), np.uint8), tmp_path / "a.npz"
    np.savez(path, train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    with pytest.raises(BadFile, match=f"at most 100000 classes, but found label {labels[-1]} among train_labels"):
        load_data(str(path), 8)


def test_fortran_order_is_read(tmp_path: Path) -> None:
    images, labels = stripes(10)
    path = tmp_path / "a.npz"
    np.savez(
        path,
        train_images=np.asfortranarray(images),
        train_labels=labels,
        test_images=images,
        test_labels=labels.astype(">u2"),
    )
    data = load_data(str(path), 8, 1)
    assert torch.equal(data.train.fetch(torch.arange(10))[:, 0], torch.from_numpy(images))
    assert torch.equal(data.test.labels, torch.from_numpy(labels))


def test_more_images_than_fit_into_memory_are_refused(tmp_path: Path) -> None:
    images, labels = stripes(10)
    path = tmp_path / "a.npz"
    np.savez(path, train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    with pytest.raises(BadFile, match=r"as fit into \d+ GB of memory, but found 10, which take 30000 GB"):
        load_data(str(path), 1_000_000)


@pytest.mark.parametrize(("claimed", "given"), [(200_000_000, 200_000_000), (10, 200_000_000)])
def test_no_more_comes_out_of_a_gzip_file_than_was_announced(tmp_path: Path, claimed: int, given: int) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    header = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in (claimed, 1, 1))
    with gzip.open(path, "wb", 1) as file:
        file.write(header)
        for _ in range(given // 10_000_000):
            file.write(bytes(10_000_000))
    tracemalloc.start()
    with pytest.raises(BadFile, match=r"train-images-idx3-ubyte\.gz: expected an idx file of unsigned bytes"):
        load_data(f"idx:{tmp_path}", 8)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 10_000_000


def test_an_idx_file_that_is_a_fifo_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train-images-idx3-ubyte")
    with pytest.raises(BadFile, match="train-images-idx3-ubyte"):
        load_data(f"idx:{tmp_path}", 8)
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(BadFile, match="something that is no regular file"):
        load_data(str(tmp_path / "a.npz"), 8)
