"""A cost that adds up over choices, and over pairs of neighboring choices where there are pair terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from latkit._io.arrays import Bools, Floats
from latkit.errors import UsageError
from latkit.tables.cost_table import CostTable
from latkit.tables.groups import OUTSIDE, Groups
from latkit.tables.pairs import PairRows, checked_pairs, padded, steps_above_min


class AdditiveTable(CostTable):
    """Expectation of an additive cost under a distribution over architectures.

    E[cost] = base + sum over choices i, candidates j of p[i, j] * values[i, j]
                   + sum over choices i, candidates j, k of p[i, j] * p[i + 1, k] * pairs[i, j, k]

    `pairs`, shape (choices - 1, candidates, candidates), is None for a table without pair terms.
    """

    pairs: Tensor | None

    def __init__(
        self, space_name: str, space_key: str, rows: Sequence[Sequence[float]], base: float, pairs: PairRows = ()
    ) -> None:
        """A table from plain numbers: one row per choice, one number per candidate; `pairs` as in `PairRows`."""
        super().__init__(space_name, space_key, rows, base)
        self._pairs = checked_pairs(pairs, self._rows, space_name)
        self.register_buffer("pairs", padded(self._pairs, self.mask.shape[-1]))
        self._groups = Groups.of(self._rows, self._pairs)

    def expected(self, probabilities: Tensor) -> Tensor:
        """Expected cost, shape (...), of probabilities of shape (..., choices, candidates). Differentiable.

        The choices are independent, so a pair's probability is the product of both. Accumulated in double precision.

        Raises UsageError for probability where there is no candidate (`mask` is false).
        """
        self.check_probabilities(probabilities)
        doubles = probabilities.to(self.values.dtype)
        expected = self.base + (doubles * self.values).sum((-2, -1))
        if self.pairs is None:
            return expected
        before, after = doubles[..., :-1, None, :], doubles[..., 1:, None, :]  # (..., choices - 1, 1, candidates)
        return expected + ((before @ self.pairs) * after).sum((-3, -2, -1))

    def lookup(self, architectures: Tensor) -> Tensor:
        """The cost, shape (...), of architectures as integers of shape (..., choices), one candidate's index each.

        About ten million architectures per second and processor core, faster with smaller integers (uint8). Raises
        UsageError for an index without a candidate.
        """
        rows = architectures.detach().cpu().reshape(-1, len(self._rows)).numpy()
        totals = torch.from_numpy(self._groups.totals(rows)) + self._base
        return totals.reshape(architectures.shape[:-1]).to(self.values.device)

    def total(self, architecture: Sequence[int]) -> float:
        """The cost of one architecture, in microseconds of computing time. Raises UsageError."""
        rows = self._rows  # read once: this is called for every network of a search
        if len(architecture) != len(rows) or min(architecture) < 0:
            raise UsageError(OUTSIDE)
        try:
            total = self._base + sum([row[index] for row, index in zip(rows, architecture, strict=True)])
        except IndexError:
            raise UsageError(OUTSIDE) from None
        if self._pairs:
            neighbors = zip(self._pairs, architecture, architecture[1:], strict=False)
            total += sum(float(pair[before, after]) for pair, before, after in neighbors if pair is not None)
        return total

    def min(self) -> float:
        """The minimum over all architectures."""
        return self._extreme(1) if self._pairs else self._base + sum(map(min, self._rows))

    def max(self) -> float:
        """The maximum over all architectures."""
        return self._extreme(-1) if self._pairs else self._base + sum(map(max, self._rows))

    def _extreme(self, sign: int) -> float:
        """The minimum over all architectures for a sign of 1, the maximum for -1: exact, by dynamic programming."""
        pairs = tuple(None if pair is None else sign * pair for pair in self._pairs)
        _, minima = steps_above_min(sign * self.values.cpu().numpy(), self.mask.cpu().numpy(), pairs)
        return self._base + sign * sum(minima)

    def allowed(self, max_value: float) -> Bools:  # noqa: ARG002
        """All candidates: a bound on a sum is kept by `excess`."""
        allowed: Bools = self.mask.cpu().numpy().copy()
        return allowed

    def excess(self, allowed: Bools) -> tuple[list[Floats], float]:
        """What each candidate adds to the minimum that the path before it can reach, and the minimum."""
        steps, minima = steps_above_min(self.values.cpu().numpy(), allowed, self._pairs)
        return steps, self._base + float(np.array(minima).sum())

    @property
    def has_pairs(self) -> bool:
        """Whether there are pair terms."""
        return bool(self._pairs)

    def check_without_pairs(self, format_name: str) -> None:
        """Raise UsageError where the table has pair terms, which a format cannot hold."""
        if self._pairs:
            raise UsageError(
                f"expected a table without pair terms for {format_name}, but found some; write .json or .safetensors"
            )

    def pair_rows(self) -> list[list[list[float]] | None]:
        """Pair terms as plain numbers, as in `PairRows`; empty for a table without them."""
        return [None if pair is None else pair.tolist() for pair in self._pairs]

    def numbers(self) -> dict[str, Any]:
        """Rows, base, and pair terms if there are any."""
        return {"rows": self.rows(), "base": self._base} | ({"pairs": self.pair_rows()} if self._pairs else {})

    def with_numbers(self, numbers: dict[str, Any]) -> Self:
        """A table of the same sort with other rows, base and pair terms. Raises UsageError."""
        table = type(self).__new__(type(self))
        rows, base, pairs = numbers["rows"], numbers["base"], numbers.get("pairs", ())
        AdditiveTable.__init__(table, self.space_name, self.space_key, rows, base, pairs)
        return table
