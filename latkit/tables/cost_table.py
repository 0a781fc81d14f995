"""Base of all cost tables: what an architecture of a space costs, as a differentiable torch module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from latkit._io import check_label, html_card, one_line, to_polars
from latkit._io.arrays import Bools, Floats
from latkit.errors import UsageError
from latkit.ops import Op
from latkit.spaces import Architecture, Space, as_chain
from latkit.spaces.chain import MAX_CANDIDATES, MAX_LAYERS

MAX_VALUE = 1e24
"""Maximum seconds, MACs or bytes of a candidate: sums and products stay finite."""

MAX_OUTSIDE = 1e-6
"""Maximum probability where there is no candidate: rounding."""


class CostTable(nn.Module, ABC):
    """A cost of every architecture of a space, such as seconds, multiply-accumulates or bytes.

    `values` has shape (choices, candidates), where choices with fewer candidates are padded; `mask` is true where there
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
            check_value(value, space_name)
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
        self._is_padded = any(len(row) < width for row in rows)

    def forward(self, probabilities: Tensor) -> Tensor:
        """The same as `expected`."""
        return self.expected(probabilities)

    @abstractmethod
    def expected(self, probabilities: Tensor) -> Tensor:
        """Expected cost, shape (...), of probabilities of shape (..., choices, candidates). Differentiable.

        Raises UsageError for probability where there is no candidate (`mask` is false). Accumulated in double
        precision.
        """

    @abstractmethod
    def lookup(self, architectures: Tensor) -> Tensor:
        """The cost, shape (...), of architectures as integers of shape (..., choices), one candidate's index each.

        Raises UsageError for an index without a candidate.
        """

    @abstractmethod
    def min(self) -> float:
        """The minimum over all architectures."""

    @abstractmethod
    def max(self) -> float:
        """The maximum over all architectures."""

    @abstractmethod
    def allowed(self, max_value: float) -> Bools:
        """The candidates that do not exceed a bound by themselves, shape (choices, candidates)."""

    @abstractmethod
    def excess(self, allowed: Bools) -> tuple[list[Floats], float]:
        """Steps for dynamic programming over the choices, and the minimum cost, of the allowed candidates.

        A step, shape (1 or candidates of the choice before, candidates), is what each candidate adds to the minimum
        cost that the path before it can still reach; infinite where it is not allowed. A path costs the minimum plus
        its steps. Steps are zero where `allowed` alone keeps a bound, as for a maximum. Every choice needs an allowed
        candidate.
        """

    @abstractmethod
    def numbers(self) -> dict[str, Any]:
        """The numbers that do not follow from the space, as JSON; see `with_numbers`."""

    @abstractmethod
    def with_numbers(self, numbers: dict[str, Any]) -> CostTable:
        """A table of the same sort with other numbers, as `numbers` returns them. Raises UsageError."""

    def total(self, architecture: Sequence[int]) -> float:
        """The cost of one architecture. Raises UsageError."""
        return float(self.lookup(torch.tensor(architecture)))

    def rows(self) -> list[list[float]]:
        """One row per choice, one number per candidate, without padding."""
        return [list(row) for row in self._rows]

    def one_hot(self, architecture: Architecture) -> Tensor:
        """Probabilities of shape (choices, candidates) that put all weight on one architecture."""
        return nn.functional.one_hot(torch.tensor(architecture), self.mask.shape[-1]).to(self.values.dtype)

    def format_value(self, value: float) -> str:
        """A cost for people."""
        return f"{value:.6g}"

    def check_space(self, space: Space) -> None:
        """Raise UsageError unless the table belongs to this space."""
        if space.key != self.space_key:
            raise UsageError(f"this table was made for another space ({self.space_name!r}) than {space.name!r}")
        if [len(row) for row in self._rows] != [len(choice.options) for choice in space.choices]:
            raise UsageError(f"this table has other choices or candidates than space {space.name!r}")

    def softmax(self, logits: Tensor) -> Tensor:
        """Probabilities of logits of shape (..., choices, candidates), exactly 0 where there is no candidate."""
        return logits.masked_fill(~self.mask.to(logits.device), -torch.inf).softmax(-1)

    def to_polars(self) -> Any:
        """A `polars.DataFrame` with a row for every candidate of every choice: `choice`, `candidate`, `cost`."""
        rows = enumerate(self._rows)
        return to_polars(
            {"choice": choice, "candidate": candidate, "cost": cost}
            for choice, row in rows
            for candidate, cost in enumerate(row)
        )

    def extra_repr(self) -> str:
        """The space and the range, for `repr`."""
        return ", ".join(f"{label} {value}" for label, value in self._facts().items())

    def _repr_html_(self) -> str:
        width = self.mask.shape[-1]
        rows = [
            {"choice": number}
            | {str(index): self.format_value(row[index]) if index < len(row) else "" for index in range(width)}
            for number, row in enumerate(self._rows)
        ]
        return html_card(f"{type(self).__name__} of {self.space_name}", self._facts(), rows)

    def _facts(self) -> dict[str, object]:
        return {
            "space": self.space_name,
            "choices": len(self._rows),
            "candidates": sum(map(len, self._rows)),
            "min": self.format_value(self.min()),
            "max": self.format_value(self.max()),
        }

    def check_probabilities(self, probabilities: Tensor) -> None:
        """Raise UsageError unless probabilities have shape (..., choices, candidates), and are 0 without a candidate.

        A softmax over padded logits without the mask is the usual cause: it takes probability from real candidates.
        """
        self.check_shape(probabilities)
        if self._is_padded:
            outside = float((probabilities.detach() * ~self.mask).abs().amax()) if probabilities.numel() else 0.0
            if outside > MAX_OUTSIDE:
                raise UsageError(
                    f"expected probability 0 where a choice has no candidate (table.mask is false), but found up to "
                    f"{outside:.3g}; compute them with table.softmax(logits)"
                )

    def check_shape(self, probabilities: Tensor) -> None:
        """Raise UsageError unless probabilities have shape (..., choices, candidates)."""
        if probabilities.shape[-2:] != self.mask.shape:
            raise UsageError(
                f"expected probabilities of shape (..., {', '.join(map(str, self.mask.shape))}), "
                f"but got {tuple(probabilities.shape)}"
            )


def check_value(value: float, space_name: str) -> None:
    """Raise UsageError unless a candidate's number is finite and in range."""
    if not -MAX_VALUE <= value <= MAX_VALUE:
        raise UsageError(
            f"expected a finite number of at most {MAX_VALUE:g} for every candidate of space {space_name}, "
            f"but found {one_line(repr(value), 40)}"
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
