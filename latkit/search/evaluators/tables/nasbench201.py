"""NAS-Bench-201: validation after 12 epochs chooses, the test after 200 epochs judges; latencies of devices.

Three files: of validation, of the test, and of latencies where there are any.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from latkit._io.arrays import Floats, Integers
from latkit.errors import BadFile, UsageError
from latkit.search.evaluators import EvaluatorFactory
from latkit.search.evaluators.tables.files import Arrays, content_name, find_file, numbers, read_table
from latkit.search.evaluators.tabular import Table, TabularEvaluator
from latkit.search.tasks.names import DEFAULT_METRIC, TEST_METRIC
from latkit.spaces.base import Architecture
from latkit.spaces.cells.edge_cell import EdgeCellSpace

NAME = "nasbench201"
SHORT, FULL, LATENCY = f"{NAME}_{DEFAULT_METRIC}.npz", f"{NAME}_200epochs.npz", f"{NAME}_latency_ms.npz"
VALIDATION = {
    DEFAULT_METRIC: "cifar10_val_12epochs",
    f"cifar100_{DEFAULT_METRIC}": "cifar100_val_12epochs",
    f"imagenet16_{DEFAULT_METRIC}": "imagenet16_val_12epochs",
}
TEST = {TEST_METRIC: "cifar10_test_200epochs", f"imagenet16_{TEST_METRIC}": "imagenet16_test_200epochs"}
COSTS = {"macs": "mflops", "parameters": "mparams"}
EPOCHS = 12.0


def load_nasbench201(folder: str | os.PathLike[str]) -> tuple[EdgeCellSpace, TabularEvaluator]:
    """The space and its table. Scores in percent; `macs`, `parameters`, and `seconds.DEVICE` for every device.

    Raises UsageError and BadFile for missing files, rows and values.
    """
    space = EdgeCellSpace()
    paths = [find_file(folder, SHORT), find_file(folder, FULL)]
    columns = _read(space, paths[0], dict.fromkeys(VALIDATION.values(), 1.0))
    full = _read(space, paths[1], dict.fromkeys(TEST.values(), 1.0) | dict.fromkeys(COSTS.values(), 1e6))
    columns = {name: columns[array] for name, array in VALIDATION.items()}
    columns |= {name: full[array] for name, array in COSTS.items()}
    if (latency := Path(folder, LATENCY)).is_file():
        paths.append(latency)
        columns |= {f"seconds.{device}": seconds for device, seconds in _read(space, latency, {}, 1e-3).items()}
    rows = {space.read(text): row for row, text in enumerate(_every(space))}
    test = {name: full[array] for name, array in TEST.items()}
    return space, TabularEvaluator(Table(content_name(NAME, *paths), rows, columns, (EPOCHS,), test))


def _every(space: EdgeCellSpace) -> list[str]:
    """The benchmark's string of every architecture, in the order of the rows."""
    return [space.write(one) for one in np.ndindex(*(len(choice.options) for choice in space.choices))]


def _read(
    space: EdgeCellSpace, path: Path, factors: dict[str, float], others: float | None = None
) -> dict[str, Floats]:
    """The named columns times their factors, in the order of the rows; all other columns where `others` is given."""
    arrays = read_table(path, ["arch", *factors], is_open=others is not None)
    order = _order(space, path, arrays)
    named = factors if others is None else {name: others for name in arrays if name != "arch"} | factors
    columns: dict[str, Floats] = {}
    for name, factor in named.items():
        values = numbers(path, arrays, name, factor)
        if values.shape != order.shape:
            raise BadFile(path, f"{order.shape} in {name}", f"{values.shape}")
        if not np.isfinite(values).all():
            raise BadFile(
                path,
                f"a finite number in every row of {name}",
                f"{np.count_nonzero(~np.isfinite(values))} rows without",
            )
        columns[name] = values[order]
    return columns


def _order(space: EdgeCellSpace, path: Path, arrays: Arrays) -> Integers:
    """For every architecture of the space in order, its row in the file. Raises BadFile for missing ones."""
    texts = arrays["arch"]
    if texts.dtype.kind != "U" or texts.ndim != 1:
        raise BadFile(path, "architectures as text in arch", f"{texts.dtype} of shape {texts.shape}")
    found: dict[Architecture, int] = {}
    for row, text in enumerate(texts.tolist()):
        try:
            found[space.read(text)] = row
        except UsageError as error:
            raise BadFile(path, f"an architecture in row {row}", str(error)) from error
    if len(found) != space.size:
        missing = next((text for text in _every(space) if space.read(text) not in found), "")
        raise BadFile(path, f"all {space.size} architectures", f"{len(found)}; {missing} is missing")
    return np.array([found[space.read(text)] for text in _every(space)])


FACTORY = EvaluatorFactory(NAME, "NAS-Bench-201: 12-epoch validation, 200-epoch test, latencies", load_nasbench201)
