"""The latency table: a latency model applied to a search space, as a differentiable torch module."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from latkit.errors import BadFile, UsageError
from latkit.ops import Op
from latkit.spaces import Architecture, Space

FORMAT = "latkit-table-1"


class AdditiveModel(Protocol):
    """What a table needs of a latency model: seconds that add up."""

    def layer_seconds(self, ops: Sequence[Op]) -> list[float]:
        """What each op adds to the latency of a network, in seconds. Raises NotMeasured."""

    def base_seconds(self) -> float:
        """What a network costs whatever its ops are, in seconds."""


class LatencyTable(nn.Module):
    """Expected latency of a distribution over architectures (Cai et al. 2019, section 3.3).

    E[latency] = base + sum over layers i of sum over candidates j of p[i, j] * seconds[i, j]

    `seconds` has shape (choices, candidates), where layers with fewer candidates are padded; `mask` is true where a
    candidate stands. `base_s` holds the fixed layers and the runtime's fixed cost.
    """

    seconds: Tensor
    mask: Tensor
    base_s: Tensor

    def __init__(self, space: Space, model: AdditiveModel) -> None:
        fixed = [layer.candidates[0] for layer in space.layers if not layer.is_choice]
        base_s = model.base_seconds() + sum(model.layer_seconds([op for op in fixed if not op.vanishes]))
        rows = []
        for layer in space.choices:
            present = [op for op in layer.candidates if not op.vanishes]
            known = dict(zip(present, model.layer_seconds(present), strict=True))
            rows.append([known.get(op, 0.0) for op in layer.candidates])
        self._build(space.name, space.key, rows, base_s)

    def _build(self, space_name: str, space_key: str, rows: Sequence[Sequence[float]], base_s: float) -> None:
        """Set up the module; the second half of every constructor."""
        super().__init__()
        if not math.isfinite(base_s) or not all(math.isfinite(value) for row in rows for value in row):
            raise UsageError(f"expected a finite number of seconds for every candidate of space {space_name}")
        self.space_name = space_name
        self.space_key = space_key
        width = max(len(row) for row in rows)
        padded = [[*row, *[0.0] * (width - len(row))] for row in rows]
        self.register_buffer("seconds", torch.tensor(padded, dtype=torch.float64))
        standing = [[index < len(row) for index in range(width)] for row in rows]
        self.register_buffer("mask", torch.tensor(standing))
        self.register_buffer("base_s", torch.tensor(base_s, dtype=torch.float64))

    @classmethod
    def from_seconds(
        cls, space_name: str, space_key: str, rows: Sequence[Sequence[float]], base_s: float
    ) -> LatencyTable:
        """A table from plain numbers: one row per choice, one number of seconds per candidate."""
        table = cls.__new__(cls)
        table._build(space_name, space_key, rows, base_s)  # noqa: SLF001 (its own class)
        return table

    def forward(self, probabilities: Tensor) -> Tensor:
        """Expected seconds, shape (...), of probabilities of shape (..., choices, candidates). Differentiable.

        Entries where no candidate stands (`mask` is false) have no effect. Accumulated in double precision.
        """
        if probabilities.shape[-2:] != self.seconds.shape:
            raise UsageError(
                f"expected probabilities of shape (..., {', '.join(map(str, self.seconds.shape))}), "
                f"but got {tuple(probabilities.shape)}"
            )
        return self.base_s + (probabilities.to(self.seconds.dtype) * self.seconds).sum((-2, -1))

    def lookup(self, architectures: Tensor) -> Tensor:
        """Seconds, shape (...), of architectures as integers of shape (..., choices), one candidate's index each."""
        index = architectures.unsqueeze(-1)
        out_of_range = (index < 0) | (index >= self.mask.shape[-1])
        clamped = index.clamp(0, self.mask.shape[-1] - 1)
        standing = self.mask.expand(*architectures.shape[:-1], *self.mask.shape).gather(-1, clamped)
        if bool((out_of_range | ~standing).any()):
            raise UsageError("an architecture names a candidate that does not stand in its layer")
        rows = self.seconds.expand(*architectures.shape[:-1], *self.seconds.shape)
        return self.base_s + rows.gather(-1, clamped).sum((-2, -1))

    def one_hot(self, architecture: Architecture) -> Tensor:
        """Probabilities of shape (choices, candidates) that put all weight on one architecture."""
        return nn.functional.one_hot(torch.tensor(architecture), self.mask.shape[-1]).to(self.seconds.dtype)

    def fastest(self) -> float:
        """Seconds of the fastest architecture."""
        return float(self.base_s + self.seconds.masked_fill(~self.mask, math.inf).amin(-1).sum())

    def slowest(self) -> float:
        """Seconds of the slowest architecture."""
        return float(self.base_s + self.seconds.masked_fill(~self.mask, -math.inf).amax(-1).sum())

    def check_space(self, space: Space) -> None:
        """Raise UsageError unless the table was made for this space."""
        if space.key != self.space_key:
            raise UsageError(f"this table was made for another space ({self.space_name!r}) than {space.name!r}")

    def _rows(self) -> list[list[float]]:
        return [row[standing].tolist() for row, standing in zip(self.seconds, self.mask, strict=True)]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as `.json` or `.safetensors`, by the file's ending."""
        words = {"format": FORMAT, "space_name": self.space_name, "space_key": self.space_key}
        match Path(path).suffix:
            case ".json":
                document = {**words, "unit": "seconds", "base_s": float(self.base_s), "seconds": self._rows()}
                Path(path).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            case ".safetensors":
                save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, path, words)
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
