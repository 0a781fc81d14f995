"""A small space, a table of made-up numbers and images that are easy to classify."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from latkit.ops import make_op
from latkit.search import SearchSettings
from latkit.search.data import DataSplit, load_data
from latkit.spaces import ChainSpace, Layer, Space, load_space_file
from latkit.tables import LatencyTable

Tables = Callable[[Space], LatencyTable]

MINI_SPACE = """
name = "mini"
input_shape = [1, 8, 8]

[[layers]]
name = "stem"
candidates = [{ kind = "conv", out_channels = 8, stride = 2 }]

[[layers]]
name = "body"
repeat = 2
candidates = [
    { kind = "mbconv", out_channels = 8, kernel = [3, 5], expansion = [2, 4] },
    { kind = "skip" },
]

[[layers]]
name = "pool"
candidates = [{ kind = "pool" }]

[[layers]]
name = "classifier"
candidates = [{ kind = "linear", out_features = 2 }]
"""


def brief(**changes: object) -> SearchSettings:
    """A search of a second or two, on images as they are."""
    numbers: dict[str, object] = {"warmup_epochs": 1, "epochs": 1, "batch_size": 8}
    numbers |= {"training_epochs": 1, "training_batch_size": 16}
    return SearchSettings.quick(**{**numbers, "crop_padding": 0, "flip": False, "export_tflite": False, **changes})


def middle_s(table: LatencyTable) -> float:
    """A target that some paths miss."""
    return (table.fastest() + table.slowest()) / 2


def some_path_s(table: LatencyTable) -> float:
    """A target that some path hits: a k3 e4 block and a skip."""
    return float(table.lookup(torch.tensor((1, 4))))


class Interrupt:
    """Progress that is interrupted after a number of calls."""

    def __init__(self, after: int) -> None:
        self.left = after

    def advance(self, phase: str, done: int, total: int, text: str) -> None:
        assert phase in ("search", "training")
        assert 0 <= done <= total
        assert bool(text) <= (done > 0)
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="session")
def mini_space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    path = tmp_path_factory.mktemp("mini") / "mini.toml"
    path.write_text(MINI_SPACE)
    return load_space_file(path)


@pytest.fixture
def linear_space() -> Space:
    """Everything after the gates is linear, so that the expected loss is linear in every gate."""
    shape = (2, 6, 6)
    pools = [make_op("pool", shape, kernel=kernel) for kernel in (3, 5)]
    skip = make_op("skip", shape)
    layers = (
        Layer("first", (pools[0], skip)),
        Layer("second", (pools[0], pools[1], skip)),
        Layer("flatten", (make_op("flatten", shape),)),
        Layer("classifier", (make_op("linear", (72,), out_features=3),)),
    )
    return ChainSpace("linear", layers)


@pytest.fixture(scope="session")
def table_of() -> Tables:
    """A table of one nanosecond per MAC, which cannot be mistaken for a device's."""

    def make(space: Space) -> LatencyTable:
        rows = [[op.macs * 1e-9 for op in layer.candidates] for layer in space.choice_layers]
        return LatencyTable.from_seconds(space.name, space.key, rows, base_s=1e-6)

    return make


def stripes(count: int, size: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy stripes, across (class 0) or along (class 1); uint8 (count, size, size)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    wave = np.where(np.arange(size) % 2, 200, 50)
    pictures = np.where(labels[:, None, None] == 0, wave[None, :, None], wave[None, None, :])
    noisy = pictures + rng.normal(0, 20, (count, size, size))
    return noisy.clip(0, 255).astype(np.uint8), labels


def save_stripes(path: Path) -> None:
    (train_images, train_labels), (test_images, test_labels) = stripes(96), stripes(32, seed=1)
    np.savez(
        path, train_images=train_images, train_labels=train_labels, test_images=test_images, test_labels=test_labels
    )


@pytest.fixture(scope="session")
def stripes_data(tmp_path_factory: pytest.TempPathFactory) -> DataSplit:
    path = tmp_path_factory.mktemp("stripes") / "stripes.npz"
    save_stripes(path)
    return load_data(str(path), 8, 1)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """These networks are too small for two."""
    torch.set_num_threads(1)
