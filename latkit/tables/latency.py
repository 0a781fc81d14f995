"""The latency table: a latency model applied to a search space, as a differentiable torch module."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from latkit._io import atomic_write, write_text
from latkit.errors import BadFile, UsageError
from latkit.ops import Op
from latkit.spaces import Space
from latkit.tables.additive import AdditiveTable, fixed_ops, per_candidate

FORMAT = "latkit-table-1"


class AdditiveModel(Protocol):
    """What a table needs of a latency model: seconds that add up."""

    def layer_seconds(self, ops: Sequence[Op]) -> list[float]:
        """What each op adds to the latency of a network, in seconds. Raises NotMeasured."""

    def base_seconds(self) -> float:
        """What a network costs whatever its ops are, in seconds."""


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
        """Seconds of what every architecture has."""
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
        return self.least()

    def slowest(self) -> float:
        """Seconds of the slowest architecture."""
        return self.most()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as `.json` or `.safetensors`, by the file's ending; whole or not at all."""
        words = {"format": FORMAT, "space_name": self.space_name, "space_key": self.space_key}
        match Path(path).suffix:
            case ".json":
                document = {**words, "unit": "seconds", "base_s": float(self.base_s), "seconds": self.rows()}
                write_text(path, json.dumps(document, indent=1) + "\n")
            case ".safetensors":
                tensors = {"seconds": self.seconds, "mask": self.mask, "base_s": self.base_s}
                with atomic_write(path) as temporary:
                    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, words)
            case other:
                raise UsageError(f"expected a table's file to end in .json or .safetensors, but found {other!r}")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LatencyTable:
        """Read a table from `.json` or `.safetensors`. Raises BadFile."""
        readers = {".json": cls._load_json, ".safetensors": cls._load_safetensors}
        reader = readers.get(Path(path).suffix)
        if reader is None:
            raise BadFile(path, "a latency table ending in .json or .safetensors", f"{Path(path).suffix!r}")
        try:
            return reader(path)
        except FileNotFoundError:
            raise BadFile(path, "a latency table", "no such file") from None
        except (OSError, ValueError, KeyError, TypeError, SafetensorError, UsageError) as error:
            raise BadFile(path, f"a latency table of format {FORMAT!r}", str(error)) from error

    @classmethod
    def _load_json(cls, path: str | os.PathLike[str]) -> LatencyTable:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError("another document")
        return cls.from_seconds(
            document["space_name"], document["space_key"], document["seconds"], float(document["base_s"])
        )

    @classmethod
    def _load_safetensors(cls, path: str | os.PathLike[str]) -> LatencyTable:
        with safe_open(path, "pt") as file:
            words = file.metadata() or {}
            if words.get("format") != FORMAT:
                raise ValueError("another document")
            seconds, mask, base_s = (file.get_tensor(name) for name in ("seconds", "mask", "base_s"))
        rows = [row[standing].tolist() for row, standing in zip(seconds, mask, strict=True)]
        return cls.from_seconds(words["space_name"], words["space_key"], rows, float(base_s))
