"""NAS-Bench-Macro: all 6,561 networks of a chain of eight layers, trained on CIFAR-10 three times each.

File: `nas_bench_macro_cifar10.json`.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, RootModel

from latkit._io import load_record
from latkit.errors import BadFile
from latkit.search.evaluators import EvaluatorFactory
from latkit.search.evaluators.tables.files import content_name, find_file
from latkit.search.evaluators.tabular import Table, TabularEvaluator
from latkit.search.tasks.names import DEFAULT_METRIC, TEST_METRIC
from latkit.spaces.builtin.nasbench_macro import nasbench_macro
from latkit.spaces.chain import ChainSpace

FILE = "nas_bench_macro_cifar10.json"
MAX_BYTES = 2**25
RUNS = 3


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    test_acc: list[float]
    params: int
    flops: int


class _Rows(RootModel[dict[str, _Row]]):
    pass


def load_nasbench_macro(folder: str | os.PathLike[str]) -> tuple[ChainSpace, TabularEvaluator]:
    """The space and its table. The score (percent) of the first training chooses; the mean of the other two
    judges. Raises UsageError and BadFile for a missing file, rows and values."""
    space, path = nasbench_macro(), find_file(folder, FILE)
    found = load_record(path, _Rows, "the networks of NAS-Bench-Macro", MAX_BYTES).root
    every = list(np.ndindex(*(len(choice.options) for choice in space.choices)))
    rows = {architecture: row for row, architecture in enumerate(every)}
    entries = [_entry(path, found, "".join(map(str, architecture))) for architecture in every]
    runs = np.array([entry.test_acc for entry in entries])
    columns = {
        DEFAULT_METRIC: runs[:, 0],
        "macs": np.array([float(entry.flops) for entry in entries]),
        "parameters": np.array([float(entry.params) for entry in entries]),
    }
    test = {TEST_METRIC: runs[:, 1:].mean(axis=1)}
    return space, TabularEvaluator(Table(content_name("nasbench-macro", path), rows, columns, test=test))


def _entry(path: Path, found: dict[str, _Row], name: str) -> _Row:
    if name not in found:
        raise BadFile(path, f"a network for every choice in eight layers, such as {name}", f"{len(found)} others")
    entry = found[name]
    if len(entry.test_acc) != RUNS:
        raise BadFile(path, f"{RUNS} scores of network {name}", f"{len(entry.test_acc)}")
    return entry


FACTORY = EvaluatorFactory("nasbench-macro", "NAS-Bench-Macro: chains of MBConv on CIFAR-10", load_nasbench_macro)
