"""The latency table: a latency model applied to a search space, as a differentiable torch module."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load, save_file
from torch import Tensor

from latkit._io import atomic_write, load_record, parse_json, read_bytes, reading, write_text
from latkit.errors import BadFile, UsageError
from latkit.ops import Op
from latkit.spaces import Space
from latkit.tables.additive import AdditiveTable, fixed_ops, per_candidate

FORMAT: Literal["latkit-table-1"] = "latkit-table-1"
MAX_BYTES = 64 * 2**20


class AdditiveModel(Protocol):
    """The part of a latency model that a table needs: additive seconds."""

    def layer_seconds(self, ops: Sequence[Op]) -> list[float]:
        """Contribution of each op to the latency of a network, in seconds. Raises NotMeasured."""

    def base_seconds(self) -> float:
        """The part of a network's latency that does not depend on its ops, in seconds."""


class LatencyTable(AdditiveTable):
    """Expected latency of a distribution over architectures (Cai et al. 2019, section 3.3), in seconds.

    `base_s` holds the fixed layers and the runtime's fixed cost.
    """

    def __init__(self, space: Space, model: AdditiveModel) -> None:
        ops = space.ops()
        known = dict(zip(ops, model.layer_seconds(ops), strict=True))
        base_s = model.base_seconds() + sum(known[op] for op in fixed_ops(space))
        super().__init__(space.name, space.key, per_candidate(space, known.__getitem__), base_s)

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
        cls, space_name: str, space_key: str, rows: Sequence[Sequence[float]], base_s: float
    ) -> LatencyTable:
        """A table from plain numbers: one row per choice, one number of seconds per candidate."""
        table = cls.__new__(cls)
        AdditiveTable.__init__(table, space_name, space_key, rows, base_s)
        return table

    def fastest(self) -> float:
        """Seconds of the fastest architecture."""
        return self.min()

    def slowest(self) -> float:
        """Seconds of the slowest architecture."""
        return self.max()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as `.json` or `.safetensors`, by the file's suffix; atomically."""
        metadata = {"format": FORMAT, "space_name": self.space_name, "space_key": self.space_key}
        match Path(path).suffix:
            case ".json":
                document = {**metadata, "unit": "seconds", "base_s": float(self.base_s), "seconds": self.rows()}
                write_text(path, json.dumps(document, indent=1) + "\n")
            case ".safetensors":
                tensors = {"seconds": self.seconds, "mask": self.mask, "base_s": self.base_s}
                with atomic_write(path) as temporary:
                    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata)
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
        document = load_record(path, _TableFile, expected, MAX_BYTES)
        with reading(path, expected):
            return cls.from_seconds(document.space_name, document.space_key, document.seconds, document.base_s)

    @classmethod
    def _load_safetensors(cls, path: str | os.PathLike[str], expected: str) -> LatencyTable:
        content = read_bytes(path, expected, MAX_BYTES)
        with reading(path, expected):
            metadata = _Metadata.model_validate(_header(content).get("__metadata__"))
            tensors = load(content)
            seconds, mask, base_s = (tensors[name] for name in ("seconds", "mask", "base_s"))
            if seconds.ndim != 2 or mask.shape != seconds.shape or base_s.numel() != 1 or mask.dtype != torch.bool:
                raise UsageError(f"seconds of shape {tuple(seconds.shape)} with a mask of {tuple(mask.shape)}")
            rows = [row[valid].tolist() for row, valid in zip(seconds.double(), mask, strict=True)]
            return cls.from_seconds(metadata.space_name, metadata.space_key, rows, float(base_s))


def _header(content: bytes) -> dict[str, object]:
    """The header before the tensors: eight bytes of its length, and JSON. Raises ValueError."""
    header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
    if not isinstance(header, dict):
        raise TypeError("no header")
    return header


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    format: Literal["latkit-table-1"]
    space_name: str
    space_key: str = Field(max_length=64)


class _TableFile(_Metadata):
    unit: Literal["seconds"] = "seconds"
    base_s: float
    seconds: list[list[float]]
