"""The latency table: a latency model applied to a search space, as a differentiable torch module."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from safetensors.torch import load, save_file
from torch import Tensor

from latkit._io import (
    atomic_write,
    load_record,
    parse_json,
    read_bytes,
    reading,
    take_release,
    with_release,
    write_record,
)
from latkit.errors import BadFile, UsageError
from latkit.ops import Op
from latkit.spaces import Space, as_chain
from latkit.tables.additive import AdditiveTable
from latkit.tables.chain_pairs import chain_pairs
from latkit.tables.cost_table import fixed_ops, per_candidate
from latkit.tables.pairs import PairRows

FORMAT: Literal["latkit-table-1"] = "latkit-table-1"
PAIRS_FORMAT: Literal["latkit-table-2"] = "latkit-table-2"
"""Written for tables with pair terms only: a release that does not know them refuses the file."""
MAX_BYTES = 64 * 2**20


class OpCosts(Protocol):
    """The part of a latency model that a table needs: additive seconds."""

    def layer_seconds(self, ops: Sequence[Op]) -> list[float]:
        """Contribution of each op to the latency of a network, in seconds. Raises NotMeasured."""

    def base_seconds(self) -> float:
        """The part of a network's latency that does not depend on its ops, in seconds."""

    def has_pairs(self, ops: Sequence[Op]) -> bool:
        """Whether neighbors among these ops cost anything together."""

    def pair_seconds(self, producer: Op, consumer: Op) -> float:
        """What two neighbors cost together beyond the contribution of each, in seconds. Raises NotMeasured."""


class LatencyTable(AdditiveTable):
    """Expected latency of a distribution over architectures (Cai et al. 2019, section 3.3), in seconds.

    `base_s` holds the fixed layers and the runtime's fixed cost.
    """

    def __init__(self, space: Space, model: OpCosts) -> None:
        ops = space.ops()
        known = dict(zip(ops, model.layer_seconds(ops), strict=True))
        base_s = model.base_seconds() + sum(known[op] for op in fixed_ops(space))
        rows = per_candidate(space, known.__getitem__)
        if not model.has_pairs(ops):
            super().__init__(space.name, space.key, rows, base_s)
            return
        terms = chain_pairs(as_chain(space, "a table of the candidates"), model.pair_seconds)
        rows = [[*map(sum, zip(row, added, strict=True))] for row, added in zip(rows, terms.rows, strict=True)]
        super().__init__(space.name, space.key, rows, base_s + terms.base, terms.pairs)

    @property
    def seconds(self) -> Tensor:
        """Seconds of every candidate, shape (choices, candidates), padded."""
        return self.values

    @property
    def base_s(self) -> Tensor:
        """Seconds of the part that all architectures share."""
        return self.base

    @classmethod
    def from_seconds(
        cls,
        space_name: str,
        space_key: str,
        rows: Sequence[Sequence[float]],
        base_s: float,
        pairs: PairRows = (),
    ) -> LatencyTable:
        """A table from plain numbers: one row per choice, one number of seconds per candidate; `pairs` as in
        `PairRows`."""
        table = cls.__new__(cls)
        AdditiveTable.__init__(table, space_name, space_key, rows, base_s, pairs)
        return table

    def format_value(self, value: float) -> str:
        """Seconds as milliseconds."""
        return f"{value * 1e3:.4g} ms"

    def fastest(self) -> float:
        """Seconds of the fastest architecture."""
        return self.min()

    def slowest(self) -> float:
        """Seconds of the slowest architecture."""
        return self.max()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as `.json` or `.safetensors`, by the file's suffix; atomically."""
        written = PAIRS_FORMAT if self.has_pairs else FORMAT
        metadata = {"format": written, "space_name": self.space_name, "space_key": self.space_key}
        match Path(path).suffix:
            case ".json":
                document = {**metadata, "unit": "seconds", "base_s": float(self.base_s), "seconds": self.rows()}
                pairs = {"pairs": self.pair_rows()} if self.has_pairs else {}
                write_record(path, document | pairs)
            case ".safetensors":
                tensors = {"seconds": self.seconds, "mask": self.mask, "base_s": self.base_s}
                if self.pairs is not None:
                    tensors["pairs"] = self.pairs
                with atomic_write(path) as temporary:
                    own = {name: str(value) for name, value in with_release(metadata).items()}
                    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, own)
            case other:
                raise UsageError(f"expected a table's file to end in .json or .safetensors, but found {other!r}")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LatencyTable:
        """Read a table from `.json` or `.safetensors`. Raises BadFile."""
        readers = {".json": cls._load_json, ".safetensors": cls._load_safetensors}
        reader = readers.get(Path(path).suffix)
        if reader is None:
            raise BadFile(path, "a latency table ending in .json or .safetensors", f"{Path(path).suffix!r}")
        return reader(path, f"a latency table of format {FORMAT!r}")

    @classmethod
    def _load_json(cls, path: str | os.PathLike[str], expected: str) -> LatencyTable:
        found = load_record(path, _TableFile, expected, MAX_BYTES)
        with reading(path, expected):
            return cls.from_seconds(found.space_name, found.space_key, found.seconds, found.base_s, found.pairs)

    @classmethod
    def _load_safetensors(cls, path: str | os.PathLike[str], expected: str) -> LatencyTable:
        content = read_bytes(path, expected, MAX_BYTES)
        with reading(path, expected):
            found = _header(content).get("__metadata__")
        with reading(path, expected, take_release(found)):
            metadata = _Metadata.model_validate(found)
            tensors = load(content)
            seconds, mask, base_s = (tensors[name] for name in ("seconds", "mask", "base_s"))
            if seconds.ndim != 2 or mask.shape != seconds.shape or base_s.numel() != 1 or mask.dtype != torch.bool:
                raise UsageError(f"seconds of shape {tuple(seconds.shape)} with a mask of {tuple(mask.shape)}")
            rows = [row[valid].tolist() for row, valid in zip(seconds.double(), mask, strict=True)]
            pairs = _unpadded(tensors["pairs"], mask) if metadata.format == PAIRS_FORMAT else []
            return cls.from_seconds(metadata.space_name, metadata.space_key, rows, float(base_s), pairs)


def _unpadded(pairs: Tensor, mask: Tensor) -> list[list[list[float]]]:
    """Pair terms of the candidates that exist, from a tensor of shape (choices - 1, candidates, candidates)."""
    choices, width = mask.shape
    if pairs.shape != (choices - 1, width, width):
        raise UsageError(f"pair terms of shape {tuple(pairs.shape)} with a mask of {tuple(mask.shape)}")
    return [
        pair[before][:, after].tolist() for pair, before, after in zip(pairs.double(), mask, mask[1:], strict=False)
    ]


def _header(content: bytes) -> dict[str, object]:
    """The header before the tensors: eight bytes of its length, and JSON. Raises ValueError."""
    header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
    if not isinstance(header, dict):
        raise TypeError("no header")
    return header


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    format: Literal["latkit-table-1", "latkit-table-2"]
    space_name: str
    space_key: str = Field(max_length=64)


class _TableFile(_Metadata):
    unit: Literal["seconds"] = "seconds"
    base_s: float
    seconds: list[list[float]]
    pairs: list[list[list[float]] | None] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check_format(self) -> Self:
        if bool(self.pairs) != (self.format == PAIRS_FORMAT):
            raise ValueError(f"pair terms belong into files of format {PAIRS_FORMAT}, and only there")
        return self
