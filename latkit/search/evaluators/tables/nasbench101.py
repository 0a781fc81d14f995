"""NAS-Bench-101: a sample of its networks as a pool, and all of up to five vertices with their energy (EC-NAS).

Files: `nasbench101_sample10000.npz`; `ecnas_5v_4epochs.npz`.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from latkit.errors import BadFile, UsageError
from latkit.search.evaluators import EvaluatorFactory
from latkit.search.evaluators.tables.files import Arrays, content_name, find_file, numbers, read_table
from latkit.search.evaluators.tabular import Table, TabularEvaluator
from latkit.search.tasks.names import DEFAULT_METRIC, TEST_METRIC, VALIDATION_METRIC
from latkit.spaces.base import Architecture
from latkit.spaces.cells.vertex_cell import VertexCellSpace
from latkit.spaces.pool import PoolSpace

SAMPLE, FIVE = "nasbench101_sample10000.npz", "ecnas_5v_4epochs.npz"
GRAPH = ("key", "vertices", "adjacency", "ops")
NETWORKS_OF_FIVE = 2532
JOULES_PER_KWH = 3.6e6


def load_pool(folder: str | os.PathLike[str]) -> tuple[PoolSpace, TabularEvaluator]:
    """The networks of the sample. Their score is that on validation images in percent, after 4, 12, 36 or 108 epochs.

    Raises UsageError and BadFile for missing files, rows and values.
    """
    path = find_file(folder, SAMPLE)
    arrays = read_table(path, [*GRAPH, VALIDATION_METRIC, "parameters"], is_open=True)
    if "epochs" not in arrays:
        raise BadFile(path, "an array epochs", "none")
    efforts = tuple(map(float, arrays["epochs"]))
    space = VertexCellSpace()
    rows = _rows(space, path, arrays)
    columns = {
        DEFAULT_METRIC: numbers(path, arrays, VALIDATION_METRIC, 100.0),
        "parameters": numbers(path, arrays, "parameters"),
    }
    pool = PoolSpace("nasbench101-sample", space, list(rows))
    return pool, TabularEvaluator(Table(content_name("nasbench101", path), rows, columns, efforts))


def load_five_vertices(folder: str | os.PathLike[str]) -> tuple[VertexCellSpace, TabularEvaluator]:
    """All networks of up to five vertices, trained four epochs. Their score is that on validation images in percent;
    `joules` and `training_seconds` are those of the training, `inference_seconds` those of a pass over the data.

    Raises UsageError and BadFile for missing files, rows and values.
    """
    path = find_file(folder, FIVE)
    names = [VALIDATION_METRIC, TEST_METRIC, "energy_kwh", "training_time_s", "predict_time_s", "parameters"]
    arrays = read_table(path, [*GRAPH, *names])
    space = VertexCellSpace("nasbench101-5v", vertices=5)
    rows = _rows(space, path, arrays)
    if len(rows) != NETWORKS_OF_FIVE:
        raise BadFile(path, f"all {NETWORKS_OF_FIVE} networks of up to five vertices", f"{len(rows)}")
    columns = {
        DEFAULT_METRIC: numbers(path, arrays, VALIDATION_METRIC, 100.0),
        "joules": numbers(path, arrays, "energy_kwh", JOULES_PER_KWH),
        "training_seconds": numbers(path, arrays, "training_time_s"),
        "inference_seconds": numbers(path, arrays, "predict_time_s"),
        "parameters": numbers(path, arrays, "parameters"),
    }
    test = {TEST_METRIC: numbers(path, arrays, TEST_METRIC, 100.0)}
    return space, TabularEvaluator(Table(content_name("ecnas", path), rows, columns, (4.0,), test))


def _rows(space: VertexCellSpace, path: Path, arrays: Arrays) -> dict[Architecture, int]:
    """The row of every network, checked against the benchmark's hash. Raises BadFile."""
    counts, matrices, ops = (arrays[name] for name in ("vertices", "adjacency", "ops"))
    if (
        matrices.shape[1:] != (7, 7)
        or ops.shape[1:] != (5,)
        or counts.ndim != 1
        or any(one.dtype.kind not in "iu" for one in (counts, matrices, ops))
    ):
        raise BadFile(path, "matrices of 7x7 and five ops each", f"{matrices.shape[1:]} and {ops.shape[1:]}")
    rows: dict[Architecture, int] = {}
    for row, (key, count) in enumerate(zip(arrays["key"].tolist(), counts.tolist(), strict=True)):
        matrix = matrices[row, :count, :count]
        if not 2 <= count <= 7 or matrix.max() > 1 or np.tril(matrix).any():
            raise BadFile(path, "an upper triangular matrix of 2 to 7 vertices", f"another one in row {row}")
        try:
            architecture = space.encode(matrix.tolist(), ops[row].tolist())
        except UsageError as error:
            raise BadFile(path, f"a cell in row {row}", str(error)) from error
        if space.hash(architecture) != key or architecture in rows:
            raise BadFile(path, f"in row {row} the key of its cell, once", f"{key!r}")
        rows[architecture] = row
    return rows


POOL = EvaluatorFactory("nasbench101", "NAS-Bench-101: a sample, after 4, 12, 36 or 108 epochs", load_pool)
FIVE_VERTICES = EvaluatorFactory(
    "nasbench101-5v", "NAS-Bench-101 of up to five vertices, 4 epochs, with energy", load_five_vertices
)
