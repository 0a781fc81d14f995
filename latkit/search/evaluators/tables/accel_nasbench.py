"""Accel-NASBench: networks of the MnasNet space, ImageNet scores by a short recipe, and accelerators.

File: `accel_nasbench_mnasnet.npz`.
"""

from __future__ import annotations

import os

import numpy as np

from latkit._io.arrays import Floats
from latkit.errors import BadFile, UsageError
from latkit.search.evaluators import EvaluatorFactory
from latkit.search.evaluators.tables.files import content_name, find_file, numbers, read_table
from latkit.search.evaluators.tabular import Table, TabularEvaluator
from latkit.search.tasks.names import DEFAULT_METRIC
from latkit.spaces.base import Architecture
from latkit.spaces.mnasnet import FIELDS, MnasNetSpace
from latkit.spaces.pool import PoolSpace

FILE = "accel_nasbench_mnasnet.npz"
COLUMNS = {DEFAULT_METRIC: ("imagenet_val_top1", 1.0), "macs": ("mmacs", 1e6), "parameters": ("mparams", 1e6)}


def load_accel_nasbench(folder: str | os.PathLike[str]) -> tuple[PoolSpace, TabularEvaluator]:
    """The networks as a pool, and their table. The score is that on validation images, in percent.

    `images_per_s.DEVICE` and `seconds.DEVICE` lack a few values: verdicts of those networks lack the quantity. Of a
    network that stands there twice the first row counts. Raises UsageError and BadFile.
    """
    path = find_file(folder, FILE)
    arrays = read_table(path, ["architecture", *(array for array, _ in COLUMNS.values())], is_open=True)
    values, space = arrays["architecture"], MnasNetSpace()
    if list(arrays.get("fields", ())) != list(FIELDS) or values.dtype.kind not in "iu" or values.ndim != 3:
        raise BadFile(path, f"architectures of blocks with the fields {', '.join(FIELDS)}", "others")
    first: dict[Architecture, int] = {}
    for row, blocks in enumerate(values.tolist()):
        try:
            first.setdefault(space.encode(blocks), row)
        except UsageError as error:
            raise BadFile(path, f"a network of MnasNet's space in row {row}", str(error)) from error
    distinct = np.array([*first.values()])
    columns = {name: numbers(path, arrays, array, factor)[distinct] for name, (array, factor) in COLUMNS.items()}
    devices: dict[str, Floats] = {}
    for name in arrays:
        what, _, device = name.partition("_")
        if what in ("throughput", "latency") and arrays[name].shape == values.shape[:1]:
            quantity = f"images_per_s.{device}" if what == "throughput" else f"seconds.{device}"
            devices[quantity] = numbers(path, arrays, name, 1.0 if what == "throughput" else 1e-3)[distinct]
    rows = {architecture: row for row, architecture in enumerate(first)}
    table = Table(content_name("accel-nasbench", path), rows, columns | devices, partial=frozenset(devices))
    return PoolSpace("accel-nasbench", space, list(rows)), TabularEvaluator(table)


FACTORY = EvaluatorFactory(
    "accel-nasbench", "Accel-NASBench: MnasNet's space on ImageNet, with accelerators", load_accel_nasbench
)
