"""The searches of the corpus: finished and begun, alone and in a series, and the images that they saw."""

from __future__ import annotations

import gzip
import io
import itertools
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.fuzzing.corpus_measured import TARGET, network_result
from latkit.evaluation.cross_table import Cell, CrossTable, Row
from latkit.evaluation.validation import MeasuredNetwork
from latkit.layout.series import Member, Series
from latkit.search import Constraint, Problem, SearchSettings, load_data, run_search
from latkit.search.baselines import BASELINES_FILE, BaselineRecord, Baselines
from latkit.search.objectives.constraints import CONSTRAINTS_FILE, save_constraints
from latkit.spaces import Space
from latkit.tables import LatencyTable, PeakTable, macs_table
from latkit.workspace import Workspace

FOUND = "found"
SERIES = "both"


def _arrays(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Stripes across (class 0) or along (class 1)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    wave = np.where(np.arange(8) % 2, 200, 50)
    pictures = np.where(labels[:, None, None] == 0, wave[None, :, None], wave[None, None, :])
    return (pictures + rng.integers(-20, 20, (count, 8, 8))).astype(np.uint8), labels


def search(workspace: Workspace, space: Space, table: LatencyTable) -> None:
    (train, train_labels), (test, test_labels) = _arrays(48, 0), _arrays(16, 1)
    path = workspace.root / "data.npz"
    np.savez(path, train_images=train, train_labels=train_labels, test_images=test, test_labels=test_labels)
    settings = SearchSettings.quick(
        warmup_epochs=1,
        epochs=1,
        batch_size=8,
        training_epochs=1,
        training_batch_size=16,
        crop_padding=0,
        flip=False,
        export_tflite=False,
        checkpoint_seconds=1e-9,
    )
    target_s = (table.fastest() + table.slowest()) / 2
    paths = itertools.product(*(range(len(row)) for row in table.rows()))
    target_s = min(map(table.total, paths), key=lambda seconds: abs(seconds - target_s))
    folder, constraints = workspace.search_dir(FOUND), [Constraint("macs", macs_table(space), 1e9)]
    data = load_data(str(path), 8, 1)
    run_search(Problem(space, table, data, target_s, settings, constraints=constraints), folder)
    save_constraints([*constraints, Constraint("peak_bytes", PeakTable(space), 1e9)], folder / CONSTRAINTS_FILE)
    measured = MeasuredNetwork(target=str(TARGET), model="lookup", network=network_result(FOUND))
    measured.save(folder / "measured.json")
    records = [_baseline("random-1", "random", (0, 0)), _baseline("mobilenetv2-0.35", "mobilenetv2", None)]
    Baselines(records=tuple(records)).save(folder / BASELINES_FILE)
    begun = workspace.search_dir("begun")
    with suppress(KeyboardInterrupt):
        run_search(
            Problem(space, table, data, target_s, settings, constraints=constraints), begun, progress=_Interrupting()
        )


class _Interrupting:
    """Ends a search in its first epoch, after it has saved a checkpoint."""

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:  # noqa: ARG002
        if done > 0:
            raise KeyboardInterrupt


def _baseline(name: str, kind: str, architecture: tuple[int, ...] | None) -> BaselineRecord:
    return BaselineRecord.model_validate(
        {
            "name": name,
            "kind": kind,
            "accuracy": 0.5,
            "predicted_latency_s": 1e-3,
            "macs": 1000,
            "parameters": 100,
            "architecture": architecture,
            "seconds": {"search": 0.0, "training": 1.0},
        }
    )


def series(workspace: Workspace) -> None:
    there = "there/tflite-t1-fp32-b1"
    names = ((FOUND, str(TARGET)), ("begun", there))
    members = tuple(Member(name=name, target=target, target_latency_s=1e-3) for name, target in names)
    Series(name=SERIES, members=members).save(workspace.search_dir(SERIES))
    cells = {str(TARGET): Cell(predicted_ms=1.0, first_ms=1.0, second_ms=1.25), there: Cell(reason="it is gone")}
    rows = tuple(
        Row(
            name=name,
            kind="derived",
            target=target,
            target_latency_ms=1.0,
            score=0.5,
            input_shape=(1, 8, 8),
            macs=1000,
            parameters=100,
            key=name,
            cells=cells,
        )
        for name, target in names
    )
    CrossTable(name=SERIES, targets=(str(TARGET), there), rows=rows).save(workspace.search_dir(SERIES))


IDX_NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def images(root: Path) -> None:
    """An image folder of two classes, and MNIST's four files."""
    arrays = (*_arrays(4, 0), *_arrays(4, 1))
    (root / "idx").mkdir()
    (root / "idx_gz").mkdir()
    for name, array in zip(IDX_NAMES, arrays, strict=True):
        header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        content = header + array.astype(np.uint8).tobytes()
        (root / "idx" / name).write_bytes(content)
        (root / "idx_gz" / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
    for part, (pictures, labels) in (("train", arrays[:2]), ("test", arrays[2:])):
        for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
            folder = root / "images" / part / f"class{label}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / f"{index}.png")


def image_seeds() -> dict[str, bytes]:
    """The same picture in every format, by its suffix."""
    picture, found = Image.fromarray(_arrays(1, 2)[0][0]), {}
    for suffix, kind in (
        ("png", "PNG"),
        ("jpg", "JPEG"),
        ("bmp", "BMP"),
        ("gif", "GIF"),
        ("tif", "TIFF"),
        ("webp", "WEBP"),
    ):
        out = io.BytesIO()
        picture.save(out, kind)
        found[suffix] = out.getvalue()
    return found
