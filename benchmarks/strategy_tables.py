"""Tables of real results for `benchmarks/strategies.py`: what chooses an architecture, and what judges it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latkit.errors import UsageError
from latkit.ops import Network, Op, Shape
from latkit.search.evaluators import Verdict
from latkit.spaces.base import Architecture, Choice, Space
from latkit.spaces.cells.edge_cell import EdgeCellSpace
from latkit.spaces.cells.vertex_cell import VertexCellSpace

NEAREST = 30
"""Members of a pool that count as neighbors of another."""


@dataclass
class Table:
    """Validation chooses and test judges: both by canonical form, in percent."""

    space: Space
    validation: dict[Architecture, float]
    test: dict[Architecture, float]
    others: dict[str, dict[Architecture, float]] = field(default_factory=dict)
    """Further quantities, such as the latency on each device."""

    def verdict(self, architecture: Architecture, *others: str) -> Verdict:
        """The validation accuracy and the other quantities of that name. What is missing is a failure."""
        if architecture not in self.validation:
            return Verdict.failed("not in the table")
        quantities = {name: self.others[name][architecture] for name in others}
        return Verdict({"accuracy": self.validation[architecture], **quantities}, {"evaluations": 1})


def _finite(path: Path, name: str, column: npt.NDArray[Any]) -> list[float]:
    if not np.isfinite(column).all():
        raise UsageError(f"{path}: expected finite numbers in {name}, but found NaN or infinity")
    return [float(value) for value in column]


def nasbench201(data: Path) -> Table:
    """CIFAR-10: validation after 12 epochs, test after 200, milliseconds on 21 devices."""
    space = EdgeCellSpace()
    files = [data / f"nasbench201_{name}.npz" for name in ("accuracy", "200epochs", "latency_ms")]
    short, full, latency = (np.load(file, allow_pickle=False) for file in files)
    if not all((one["arch"] == short["arch"]).all() for one in (full, latency)):
        raise UsageError(f"{data}: expected the same architectures in the same order in all tables of NAS-Bench-201")
    architectures = [space.read(str(text)) for text in short["arch"]]
    kept = [at for at, one in enumerate(architectures) if space.canonical(one) == one]

    def column(file: Path, values: npt.NDArray[Any], name: str) -> dict[Architecture, float]:
        found = _finite(file, name, values)
        return {architectures[at]: found[at] for at in kept}

    others = {name: column(files[2], latency[name], name) for name in latency.files if name != "arch"}
    validation = column(files[0], short["cifar10_val_12epochs"], "cifar10_val_12epochs")
    test = column(files[1], full["cifar10_test_200epochs"], "cifar10_test_200epochs")
    return Table(space, validation, test, others)


def nasbench101_pool(data: Path) -> Table:
    """The sample of NAS-Bench-101: validation after 108 epochs, the only result it has, also judges."""
    path = data / "nasbench101_sample10000.npz"
    table = np.load(path, allow_pickle=False)
    inner = VertexCellSpace()
    accuracy = 100 * table["val_accuracy"][:, -1]
    found = dict(zip(_cells(inner, table), _finite(path, "val_accuracy", accuracy), strict=True))
    return Table(PoolSpace(inner, list(found)), found, found)


def five_vertices(data: Path) -> Table:
    """All cells of NAS-Bench-101 with up to five vertices: accuracy after four epochs, and energy."""
    path = data / "ecnas_5v_4epochs.npz"
    table = np.load(path, allow_pickle=False)
    space = VertexCellSpace(vertices=5)
    cells = list(_cells(space, table))
    accuracy = dict(zip(cells, _finite(path, "val_accuracy", 100 * table["val_accuracy"]), strict=True))
    energy = dict(zip(cells, _finite(path, "energy_kwh", table["energy_kwh"]), strict=True))
    return Table(space, accuracy, accuracy, {"energy_kwh": energy})


def _cells(space: VertexCellSpace, table: Any) -> Iterator[Architecture]:
    for vertices, adjacency, ops in zip(
        *(table[name].tolist() for name in ("vertices", "adjacency", "ops")), strict=True
    ):
        matrix = [row[:vertices] for row in adjacency[:vertices]]
        yield space.encode(matrix, ops[: vertices - 2])


class PoolSpace(Space):
    """A fixed set of a space's architectures. The neighbors are those with the nearest features."""

    def __init__(self, inner: Space, members: Sequence[Architecture]) -> None:
        self.name = f"{inner.name}-pool"
        self._inner, self._members = inner, list(members)
        self._place = {one: at for at, one in enumerate(self._members)}
        self._feature_rows = np.array([inner.features(one) for one in self._members])
        self._near: dict[Architecture, list[Architecture]] = {}

    @property
    def choices(self) -> tuple[Choice, ...]:
        return self._inner.choices

    @property
    def key(self) -> str:
        return self._inner.key

    @property
    def input_shape(self) -> Shape:
        return self._inner.input_shape

    @property
    def output_shape(self) -> Shape:
        return self._inner.output_shape

    def ops(self) -> tuple[Op, ...]:
        return self._inner.ops()

    def decode(self, architecture: Sequence[int], name: str = "") -> Network:
        return self._inner.decode(self.check(architecture), name)

    def to_json(self) -> dict[str, object]:
        return self._inner.to_json()

    def check(self, architecture: Sequence[int]) -> Architecture:
        if tuple(architecture) not in self._place:
            raise UsageError(f"space {self.name}: expected a member of the pool")
        return tuple(architecture)

    def canonical(self, architecture: Sequence[int]) -> Architecture:
        return self.check(architecture)

    def sample(self, rng: random.Random) -> Architecture:
        return rng.choice(self._members)

    def features(self, architecture: Sequence[int]) -> tuple[float, ...]:
        return tuple(self._feature_rows[self._place[tuple(architecture)]].tolist())

    def neighbors(self, architecture: Sequence[int]) -> Iterator[Architecture]:
        checked = self.check(architecture)
        if checked not in self._near:
            at = self._place[checked]
            distances = ((self._feature_rows - self._feature_rows[at]) ** 2).sum(axis=1)
            distances[at] = np.inf
            self._near[checked] = [self._members[one] for one in np.argsort(distances, kind="stable")[:NEAREST]]
        yield from self._near[checked]
