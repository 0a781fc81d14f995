"""Elastic spaces as documents: their JSON, and TOML files written by users.

name = "mine"
resolutions = [24, 32]
classes = 10
stem = { channels = 16, activation = "hswish" }
first_block = { channels = 16 }
head = { features = 320, activation = "hswish" }

[[stages]]
channels = 24
stride = 2
depths = [1, 2, 3]
kernels = [3, 5, 7]
expansions = [3, 4, 6]
squeeze_excite = true
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from latkit.spaces.elastic.space import FORMAT, ElasticSpace
from latkit.spaces.elastic.structure import Fixed, Head, Stage

DEFAULT = Stage(1)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _FixedEntry(_Strict):
    channels: int
    stride: int = 1
    activation: str = "relu6"


class _HeadEntry(_Strict):
    features: int
    hidden: int = 0
    activation: str = "relu6"


class _StageEntry(_FixedEntry):
    depths: list[int] = Field(default_factory=lambda: list(DEFAULT.depths))
    kernels: list[int] = Field(default_factory=lambda: list(DEFAULT.kernels))
    expansions: list[int] = Field(default_factory=lambda: list(DEFAULT.expansions))
    squeeze_excite: bool = False

    def stage(self) -> Stage:
        fields: dict[str, Any] = self.model_dump()
        for name in ("depths", "kernels", "expansions"):
            fields[name] = tuple(fields[name])
        return Stage(**fields)


class _SpaceEntry(_Strict):
    format: Literal["latkit-elastic-1"] = FORMAT
    name: str
    resolutions: list[int]
    stem: _FixedEntry
    stages: list[_StageEntry]
    head: _HeadEntry
    first_block: _FixedEntry | None = None
    widths: list[float] = Field(default_factory=lambda: [1.0])
    channels: int = 3
    classes: int = 10


def space_of(document: object) -> ElasticSpace:
    """The space of a document. Raises ValidationError, UsageError."""
    entry = _SpaceEntry.model_validate(document)
    first = None if entry.first_block is None else Fixed(**entry.first_block.model_dump())
    return ElasticSpace(
        entry.name,
        tuple(entry.resolutions),
        Fixed(**entry.stem.model_dump()),
        tuple(stage.stage() for stage in entry.stages),
        Head(**entry.head.model_dump()),
        first_block=first,
        widths=tuple(entry.widths),
        channels=entry.channels,
        classes=entry.classes,
    )
