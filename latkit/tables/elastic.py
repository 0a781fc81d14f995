"""Latency of the sub-networks of an elastic space: one row per resolution, width and position of a block."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from functools import partial, singledispatch
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latkit._io import write_record
from latkit._io.arrays import Floats, Integers
from latkit.errors import UsageError
from latkit.ops import Op
from latkit.spaces import Space
from latkit.spaces.elastic.arrays import ElasticArrays
from latkit.spaces.elastic.layers import Layers
from latkit.spaces.elastic.space import ElasticSpace
from latkit.tables.cost_table import MAX_OUTSIDE
from latkit.tables.latency import LatencyTable, OpCosts

FORMAT = "latkit-elastic-table-1"

OpSeconds = Callable[[int, Op], float]
"""Seconds of an op at a resolution; published tables measured the head anew at each."""

PairSeconds = Callable[[Op, Op], float]
"""Seconds that two neighbors, producer and consumer, cost together beyond what each costs."""


def no_pairs(_producer: Op, _consumer: Op) -> float:
    """Neighbors cost nothing together."""
    return 0.0


class ElasticTable:
    """Seconds of sub-networks: the layers that all have, and one row of seconds for each position of a block.

    The blocks of a stage after its first are equal: they share a row.
    """

    def __init__(
        self, space: ElasticSpace, seconds: OpSeconds, base_s: float = 0.0, pair_seconds: PairSeconds = no_pairs
    ) -> None:
        """`seconds` of every op of the space; `base_s`, what every network takes beside its ops.

        `pair_seconds` must not depend on the options of the producer: it is added to the row of the consumer. Within
        one precision it depends on the tensor between the two, which is the same for all options.
        """
        self.space, self.base_s = space, base_s
        self.arrays = ElasticArrays(space)
        shape = (max(len(one.kernels) for one in space.stages), max(len(one.expansions) for one in space.stages))
        self._widths = len(space.widths)
        globals_ = [(resolution, width) for resolution in space.resolutions for width in space.widths]
        self._fixed = np.zeros(len(globals_))
        self._blocks = np.full((len(globals_), len(space.stages), 2, *shape), np.nan)
        for at, (resolution, width) in enumerate(globals_):
            layers = space.layers(resolution, width)
            last = self._fill(at, layers, partial(seconds, resolution), pair_seconds)
            self._fixed[at] = base_s + sum(seconds(resolution, op) for op in (*layers.before, *layers.after))
            neighbors = (*itertools.pairwise(layers.before), *itertools.pairwise((last, *layers.after)))
            self._fixed[at] += sum(itertools.starmap(pair_seconds, neighbors))

    @classmethod
    def of_model(cls, space: ElasticSpace, model: OpCosts) -> ElasticTable:
        """The table of a target's latency model. Raises NotMeasured, which names an op that is missing.

        Raises UsageError for ops of several precisions: their conversions depend on the options of both neighbors.
        """
        ops = space.ops()
        if len(precisions := sorted({op.precision for op in ops})) > 1:
            raise UsageError(
                f"space {space.name}: expected ops of one precision, but found {', '.join(precisions)}; name the "
                "precision of the target instead, such as DEVICE/onnxruntime-int8, or use latkit quantize afterwards"
            )
        known = dict(zip(ops, model.layer_seconds(ops), strict=True))
        pairs = model.pair_seconds if model.has_pairs(ops) else no_pairs
        return cls(space, lambda _, op: known[op], model.base_seconds(), pairs)

    def lookup(self, architectures: Integers) -> Floats:
        """Seconds, shape (n,), of architectures of shape (n, choices)."""
        arrays = self.arrays
        at = arrays.option(architectures, "resolution") * self._widths + arrays.option(architectures, "width")
        kernels, expansions = arrays.kernels(architectures), arrays.expansions(architectures)
        position = np.minimum(arrays.numbers, 1)
        rows = self._blocks[at[:, None], arrays.stages, position, kernels, expansions]
        return np.asarray(self._fixed[at] + np.where(arrays.used(architectures), rows, 0.0).sum(axis=1))

    def expected(self, probabilities: Tensor) -> Tensor:
        """Expected seconds, shape (...), of probabilities of shape (..., choices, options). Differentiable.

        Choices are independent; those with fewer options are padded with probability 0. A block counts with the
        probability that the depth of its stage reaches it. Accumulated in double precision. Raises UsageError for
        another shape, and for probability where there is no option.
        """
        sizes = torch.from_numpy(self.arrays.sizes)
        if probabilities.shape[-2:] != (len(sizes), int(sizes.max())):
            raise UsageError(
                f"expected probabilities of shape (..., {len(sizes)}, {int(sizes.max())}), but found "
                f"{tuple(probabilities.shape)}"
            )
        doubles = probabilities.double()
        outside = torch.arange(doubles.shape[-1]) >= sizes[:, None]
        if bool((doubles.detach().abs() * outside.to(doubles.device) > MAX_OUTSIDE).any()):
            raise UsageError("expected probability 0 where a choice has no option")
        return self._expected(doubles)

    def _expected(self, doubles: Tensor) -> Tensor:
        """E = sum over resolutions r and widths w of p[r] p[w] (fixed[r, w] + sum over blocks b of
        P(depth reaches b) sum over kernels k and expansions e of p[b, k] p[b, e] row[r, w, b, k, e])."""

        def of(name: str, count: int) -> Tensor:
            at = self.space.positions.get(name)
            return doubles.new_ones((*doubles.shape[:-2], 1)) if at is None else doubles[..., at, :count]

        space = self.space
        resolutions, widths = of("resolution", len(space.resolutions)), of("width", self._widths)
        at = (resolutions[..., :, None] * widths[..., None, :]).flatten(-2)
        rows = torch.from_numpy(np.nan_to_num(self._blocks)).to(doubles)
        expected = at @ torch.from_numpy(self._fixed).to(doubles)
        for number, stage in enumerate(space.stages):
            depths = of(f"stage{number + 1}.depth", len(stage.depths))
            for block in range(stage.depths[-1]):
                name = f"stage{number + 1}.block{block + 1}"
                kernels = of(f"{name}.kernel", len(stage.kernels))
                expansions = of(f"{name}.expansion", len(stage.expansions))
                row = rows[:, number, min(block, 1), : len(stage.kernels), : len(stage.expansions)]
                seconds = torch.einsum("...a,...k,...e,ake->...", at, kernels, expansions, row)
                reached = doubles.new_tensor([float(depth > block) for depth in stage.depths])
                expected = expected + (depths @ reached) * seconds
        return expected

    def total(self, architecture: Sequence[int]) -> float:
        """Seconds of one architecture. Raises UsageError."""
        return float(self.lookup(np.array([self.space.check(architecture)]))[0])

    def min(self) -> float:
        """Seconds of the fastest sub-network."""
        return self._extreme(min)

    def max(self) -> float:
        """Seconds of the slowest sub-network."""
        return self._extreme(max)

    def check_reach(self, target_s: float, where: str = "") -> None:
        """Raise UsageError, with the range, for a latency that no sub-network reaches. `where`: such as ` on pi4`."""
        fastest, slowest = self.min(), self.max()
        if not fastest <= target_s <= slowest:
            raise UsageError(
                f"expected a latency from {1e3 * fastest:.4g} to {1e3 * slowest:.4g} ms, the sub-networks of space "
                f"{self.space.name}{where}, but found {1e3 * target_s:.4g} ms"
            )

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
        write_record(path, {**head, "tables": found})

    def _document(self, at: int, stage: int, place: int) -> list[dict[str, float]]:
        one, rows = self.space.stages[stage], self._blocks[at, stage, place]
        return [
            {"kernel": kernel, "expansion": expansion, "seconds": float(rows[i, j])}
            for i, kernel in enumerate(one.kernels)
            for j, expansion in enumerate(one.expansions)
        ]

    def _fill(self, at: int, layers: Layers, seconds: Callable[[Op], float], pair_seconds: PairSeconds) -> Op:
        """The rows of all positions; returns the last block."""
        producer = layers.before[-1]
        for stage, (one, pair) in enumerate(zip(self.space.stages, layers.stages, strict=True)):
            for place, options in enumerate(pair):
                for setting, op in options.items():
                    row = one.kernels.index(setting.kernel), one.expansions.index(setting.expansion)
                    self._blocks[(at, stage, place, *row)] = seconds(op) + pair_seconds(producer, op)
                producer = next(iter(options.values()), producer)
        return producer

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


@singledispatch
def latency_table(space: Space, model: OpCosts) -> LatencyTable | ElasticTable:
    """The latency table of any space that has one. Raises NotMeasured, and UsageError for other spaces."""
    return LatencyTable(space, model)


latency_table.register(ElasticSpace, ElasticTable.of_model)
