"""A sample of DARTS's space with zero-cost proxies (NAS-Bench-Suite-Zero, Krishnakumar et al. 2022).

File: `nasbench_suite_zero_partial.npz`.
"""

from __future__ import annotations

import os
import re

from latkit.errors import BadFile, UsageError
from latkit.search.evaluators import EvaluatorFactory
from latkit.search.evaluators.tables.files import content_name, find_file, numbers, read_table
from latkit.search.evaluators.tabular import Table, TabularEvaluator
from latkit.search.tasks.names import DEFAULT_METRIC, VALIDATION_METRIC
from latkit.spaces.base import Architecture
from latkit.spaces.cells.darts_cell import NODES, DartsSpace
from latkit.spaces.pool import PoolSpace

FILE, PREFIX = "nasbench_suite_zero_partial.npz", "nasbench301_cifar10__"
COLUMNS = {DEFAULT_METRIC: (VALIDATION_METRIC, 1.0), "macs": ("flops", 1e6), "parameters": ("params", 1e6)}
PROXIES = (
    "epe_nas",
    "fisher",
    "grad_norm",
    "grasp",
    "jacov",
    "l2_norm",
    "nwot",
    "plain",
    "snip",
    "synflow",
)
INPUT = r"\((\d), (\d)\)"
CELLS = re.compile(rf"\[\[{INPUT}(?:, {INPUT})*\], \[{INPUT}(?:, {INPUT})*\]\]")


def load_darts_sample(folder: str | os.PathLike[str]) -> tuple[PoolSpace, TabularEvaluator]:
    """The networks as a pool, and their table. NAS-Bench-301's model gives the score on validation images, in percent.

    `proxy.NAME` are scores of the untrained network; some are missing. Of a network that stands there twice the first
    row counts. Raises UsageError and BadFile.
    """
    path, space = find_file(folder, FILE), DartsSpace()
    sources = {name: (f"{PREFIX}{array}", factor) for name, (array, factor) in COLUMNS.items()}
    sources |= {f"proxy.{name}": (f"{PREFIX}{name}", 1.0) for name in PROXIES}
    arrays = read_table(path, [f"{PREFIX}arch", *(array for array, _ in sources.values())])
    texts = arrays[f"{PREFIX}arch"]
    if texts.dtype.kind != "U" or texts.ndim != 1:
        raise BadFile(path, "cells as text", f"{texts.dtype} of shape {texts.shape}")
    first: dict[Architecture, int] = {}
    for row, text in enumerate(texts.tolist()):
        try:
            first.setdefault(_read(space, text), row)
        except UsageError as error:
            raise BadFile(path, f"two cells of DARTS's space in row {row}", str(error)) from error
    distinct = list(first.values())
    columns = {name: numbers(path, arrays, array, factor)[distinct] for name, (array, factor) in sources.items()}
    rows = {architecture: row for row, architecture in enumerate(first)}
    table = Table(content_name("darts-sample", path), rows, columns, partial=frozenset(sources) - frozenset(COLUMNS))
    return PoolSpace("darts-sample", space, list(rows)), TabularEvaluator(table)


def _read(space: DartsSpace, text: str) -> Architecture:
    """The architecture of a text such as `[[(0, 3), (1, 3), ...], [(0, 0), ...]]`: source and op of every input."""
    if not CELLS.fullmatch(text):
        raise UsageError("expected two lists of pairs of a source and an op")
    inputs = [(int(source), int(op)) for source, op in re.findall(INPUT, text)]
    return space.encode((inputs[: 2 * NODES], inputs[2 * NODES :]))


FACTORY = EvaluatorFactory("darts-sample", "DARTS's space: a sample with zero-cost proxies", load_darts_sample)
