"""Latency of the sub-networks of an elastic space: one row per resolution, width and position of a block."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from latkit._io import write_text
from latkit._io.arrays import Floats, Integers
from latkit.errors import UsageError
from latkit.ops import Op
from latkit.spaces import Space
from latkit.spaces.elastic.arrays import ElasticArrays
from latkit.spaces.elastic.layers import Layers
from latkit.spaces.elastic.space import ElasticSpace
from latkit.tables.latency import LatencyTable, OpCosts

FORMAT = "latkit-elastic-table-1"

OpSeconds = Callable[[int, Op], float]
"""Seconds of an op at a resolution; published tables measured the head anew at each."""


class ElasticTable:
    """Seconds of sub-networks: the layers that all have, and one row of seconds for each position of a block.

    The blocks of a stage after its first are equal: they share a row.
    """

    def __init__(self, space: ElasticSpace, seconds: OpSeconds, base_s: float = 0.0) -> None:
        """`seconds` of every op of the space; `base_s`, what every network takes beside its ops."""
        self.space, self.base_s = space, base_s
        self.arrays = ElasticArrays(space)
        shape = (max(len(one.kernels) for one in space.stages), max(len(one.expansions) for one in space.stages))
        self._widths = len(space.widths)
        globals_ = [(resolution, width) for resolution in space.resolutions for width in space.widths]
        self._fixed = np.zeros(len(globals_))
        self._blocks = np.full((len(globals_), len(space.stages), 2, *shape), np.nan)
        for at, (resolution, width) in enumerate(globals_):
            layers = space.layers(resolution, width)
            self._fixed[at] = base_s + sum(seconds(resolution, op) for op in (*layers.before, *layers.after))
            self._fill(at, layers, lambda op, resolution=resolution: seconds(resolution, op))  # type: ignore[misc]

    @classmethod
    def of_model(cls, space: ElasticSpace, model: OpCosts) -> ElasticTable:
        """The table of a target's latency model. Raises NotMeasured, which names an op that is missing."""
        ops = space.ops()
        if model.has_pairs(ops):
            raise UsageError(f"space {space.name}: expected ops of one precision, without conversions between them")
        known = dict(zip(ops, model.layer_seconds(ops), strict=True))
        return cls(space, lambda _, op: known[op], model.base_seconds())

    def lookup(self, architectures: Integers) -> Floats:
        """Seconds, shape (n,), of architectures of shape (n, choices)."""
        arrays = self.arrays
        at = arrays.option(architectures, "resolution") * self._widths + arrays.option(architectures, "width")
        kernels, expansions = arrays.kernels(architectures), arrays.expansions(architectures)
        position = np.minimum(arrays.numbers, 1)
        rows = self._blocks[at[:, None], arrays.stages, position, kernels, expansions]
        return np.asarray(self._fixed[at] + np.where(arrays.used(architectures), rows, 0.0).sum(axis=1))

    def total(self, architecture: Sequence[int]) -> float:
        """Seconds of one architecture. Raises UsageError."""
        return float(self.lookup(np.array([self.space.check(architecture)]))[0])

    def min(self) -> float:
        """Seconds of the fastest sub-network."""
        return self._extreme(min)

    def max(self) -> float:
        """Seconds of the slowest sub-network."""
        return self._extreme(max)

    def fastest(self) -> float:
        """Seconds of the fastest sub-network."""
        return self.min()

    def slowest(self) -> float:
        """Seconds of the slowest sub-network."""
        return self.max()

    def check_without_pairs(self, format_name: str) -> None:
        """Raise UsageError: other projects' formats have no resolutions."""
        raise UsageError(f"expected .json for the table of elastic space {self.space.name}, but found {format_name}")

    def rows(self) -> list[list[float]]:
        """The rows of all positions, without padding."""
        flat = self._blocks.reshape(-1, self._blocks.shape[-2] * self._blocks.shape[-1])
        return [row[~np.isnan(row)].tolist() for row in flat if not np.isnan(row).all()]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as JSON, atomically."""
        if Path(path).suffix != ".json":
            raise UsageError(f"expected the table of an elastic space to end in .json, but found {Path(path).suffix!r}")
        found = []
        for at, fixed in enumerate(self._fixed):
            resolution, width = self.space.resolutions[at // self._widths], self.space.widths[at % self._widths]
            stages = [
                [self._document(at, stage, place) for place in range(2 if one.depths[-1] > 1 else 1)]
                for stage, one in enumerate(self.space.stages)
            ]
            found.append({"resolution": resolution, "width": width, "fixed_s": float(fixed), "stages": stages})
        head = {"format": FORMAT, "space_name": self.space.name, "space_key": self.space.key, "unit": "seconds"}
        write_text(path, json.dumps({**head, "tables": found}, indent=1) + "\n")

    def _document(self, at: int, stage: int, place: int) -> list[dict[str, float]]:
        one, rows = self.space.stages[stage], self._blocks[at, stage, place]
        return [
            {"kernel": kernel, "expansion": expansion, "seconds": float(rows[i, j])}
            for i, kernel in enumerate(one.kernels)
            for j, expansion in enumerate(one.expansions)
        ]

    def _fill(self, at: int, layers: Layers, seconds: Callable[[Op], float]) -> None:
        for stage, (one, pair) in enumerate(zip(self.space.stages, layers.stages, strict=True)):
            for place, options in enumerate(pair):
                for setting, op in options.items():
                    row = one.kernels.index(setting.kernel), one.expansions.index(setting.expansion)
                    self._blocks[(at, stage, place, *row)] = seconds(op)

    def _extreme(self, choose: Callable[..., float]) -> float:
        """Exact: stages are independent at one resolution and width, and so are blocks at one depth."""
        totals = []
        for at, fixed in enumerate(self._fixed):
            total = float(fixed)
            for stage, one in enumerate(self.space.stages):
                rows = [rows[~np.isnan(rows)].tolist() for rows in self._blocks[at, stage]]
                first, others = choose(rows[0]), choose(rows[1] or [0.0])
                total += choose(first + (depth - 1) * others for depth in one.depths)
            totals.append(total)
        return choose(totals)


def latency_table(space: Space, model: OpCosts) -> LatencyTable | ElasticTable:
    """The latency table of any space that has one. Raises NotMeasured, and UsageError for other spaces."""
    return ElasticTable.of_model(space, model) if isinstance(space, ElasticSpace) else LatencyTable(space, model)
