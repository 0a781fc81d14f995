"""A quantity that adds up over layers, as a differentiable torch module of a search space."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from latkit._io import check_label, one_line
from latkit.errors import UsageError
from latkit.ops import Op
from latkit.spaces import Architecture, Space, as_chain
from latkit.spaces.chain import MAX_CANDIDATES, MAX_LAYERS
from latkit.tables.groups import OUTSIDE, Groups

MAX_VALUE = 1e24
"""Maximum seconds, MACs or bytes of a candidate: sums and products stay finite."""


class AdditiveTable(nn.Module):
    """Expectation of an additive quantity under a distribution over architectures.

    E[quantity] = base + sum over layers i of sum over candidates j of p[i, j] * values[i, j]

    `values` has shape (choices, candidates), where layers with fewer candidates are padded; `mask` is true where there
    is a candidate. `base` is the part that all architectures share. A table is immutable.
    """

    values: Tensor
    mask: Tensor
    base: Tensor

    def __init__(self, space_name: str, space_key: str, rows: Sequence[Sequence[float]], base: float) -> None:
        """A table from plain numbers: one row per choice, one number per candidate."""
        super().__init__()
        check_label(space_name, "a space's name")
        if not 1 <= len(rows) <= MAX_LAYERS or not all(1 <= len(row) <= MAX_CANDIDATES for row in rows):
            raise UsageError(f"expected 1 to {MAX_LAYERS} choices of 1 to {MAX_CANDIDATES} candidates each in a table")
        for value in (base, *(value for row in rows for value in row)):
            if not -MAX_VALUE <= value <= MAX_VALUE:
                raise UsageError(
                    f"expected a finite number of at most {MAX_VALUE:g} for every candidate of space {space_name}, "
                    f"but found {one_line(repr(value), 40)}"
                )
        self.space_name = space_name
        self.space_key = space_key
        width = max(len(row) for row in rows)
        padded = [[*row, *[0.0] * (width - len(row))] for row in rows]
        valid = [[index < len(row) for index in range(width)] for row in rows]
        self.register_buffer("values", torch.tensor(padded, dtype=torch.float64))
        self.register_buffer("mask", torch.tensor(valid))
        self.register_buffer("base", torch.tensor(base, dtype=torch.float64))
        self._rows = [list(map(float, row)) for row in rows]
        self._base = float(base)
        self._groups = Groups.of(self._rows)

    def forward(self, probabilities: Tensor) -> Tensor:
        """Expected quantity, shape (...), of probabilities of shape (..., choices, candidates). Differentiable.

        Entries without a candidate (`mask` is false) have no effect. Accumulated in double precision.
        """
        check_shape(probabilities, self.mask)
        return self.base + (probabilities.to(self.values.dtype) * self.values).sum((-2, -1))

    def lookup(self, architectures: Tensor) -> Tensor:
        """The quantity, shape (...), of architectures as integers of shape (..., choices), one candidate's index each.

        About ten million architectures per second and processor core, faster with smaller integers (uint8). Raises
        UsageError for an index without a candidate.
        """
        rows = architectures.detach().cpu().reshape(-1, len(self._rows)).numpy()
        totals = torch.from_numpy(self._groups.totals(rows)) + self._base
        return totals.reshape(architectures.shape[:-1]).to(self.values.device)

    def total(self, architecture: Sequence[int]) -> float:
        """The quantity of one architecture, in microseconds of computing time. Raises UsageError."""
        if len(architecture) != len(self._rows) or min(architecture) < 0:
            raise UsageError(OUTSIDE)
        try:
            return self._base + sum([row[index] for row, index in zip(self._rows, architecture, strict=True)])
        except IndexError:
            raise UsageError(OUTSIDE) from None

    def one_hot(self, architecture: Architecture) -> Tensor:
        """Probabilities of shape (choices, candidates) that put all weight on one architecture."""
        return nn.functional.one_hot(torch.tensor(architecture), self.mask.shape[-1]).to(self.values.dtype)

    def min(self) -> float:
        """The minimum over all architectures."""
        return self._base + sum(map(min, self._rows))

    def max(self) -> float:
        """The maximum over all architectures."""
        return self._base + sum(map(max, self._rows))

    def rows(self) -> list[list[float]]:
        """One row per choice, one number per candidate, without padding."""
        return [list(row) for row in self._rows]

    def check_space(self, space: Space) -> None:
        """Raise UsageError unless the table belongs to this space."""
        if space.key != self.space_key:
            raise UsageError(f"this table was made for another space ({self.space_name!r}) than {space.name!r}")
        if [len(row) for row in self._rows] != [len(choice.options) for choice in space.choices]:
            raise UsageError(f"this table has other choices or candidates than space {space.name!r}")


def check_shape(probabilities: Tensor, mask: Tensor) -> None:
    """Raise UsageError unless probabilities have shape (..., choices, candidates)."""
    if probabilities.shape[-2:] != mask.shape:
        raise UsageError(
            f"expected probabilities of shape (..., {', '.join(map(str, mask.shape))}), "
            f"but got {tuple(probabilities.shape)}"
        )


def per_candidate(space: Space, value: Callable[[Op], float]) -> list[list[float]]:
    """A number for every candidate of every choice; 0 for identities. Raises UsageError unless the space is a chain."""
    chain = as_chain(space, "a table of the candidates")
    return [[0.0 if op.is_identity else value(op) for op in layer.candidates] for layer in chain.choice_layers]


def fixed_ops(space: Space) -> list[Op]:
    """The ops that every architecture of a space has. Raises UsageError unless the space is a chain."""
    chain = as_chain(space, "a table of the candidates")
    fixed = [layer.candidates[0] for layer in chain.layers if not layer.is_choice]
    return [op for op in fixed if not op.is_identity]
