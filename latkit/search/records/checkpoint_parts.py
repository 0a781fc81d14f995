"""The non-tensor parts of a search's checkpoint, checked before a search resumes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from latkit._io import parse_json, reading
from latkit.search.objectives.derivation import Derived
from latkit.spaces import Space

_Seconds = Annotated[float, Field(ge=0)]
_Row = dict[str, Any]


class _Rows(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    search: list[_Row]
    training: list[_Row]

    @model_validator(mode="after")
    def _are_of_epochs(self) -> _Rows:
        for row in (*self.search, *self.training):
            if type(row.get("epoch")) is not int:
                raise ValueError("expected a row of the history to name its epoch")
        if any(not isinstance(row.get("expected_latency_s"), float) for row in self.search):
            raise ValueError("expected the latency that every row of the search stands at")
        parse_json(json.dumps(self.model_dump()))  # values that cannot be read back must not enter the history
        return self


class _Time(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    search: _Seconds
    training: _Seconds


class _Derived(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    architecture: tuple[Annotated[int, Field(ge=0)], ...]
    predicted_s: _Seconds
    strongest_s: _Seconds
    swaps: Annotated[int, Field(ge=0)]


class _Parts(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)
    of: dict[str, str | float]
    stage: Literal["search", "training"]
    step: Annotated[int, Field(ge=0)]
    phase: dict[str, Any]
    rows: _Rows
    seconds: _Time
    warm_up: str = ""
    finals: list[tuple[tuple[int, ...], float]] = []
    derived: Annotated[_Derived, Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _belong_together(self) -> _Parts:
        if self.stage == "training" and self.derived is None:
            raise ValueError("no architecture in a checkpoint of the training")
        return self


def check_parts(path: Path, saved: Mapping[str, Any]) -> None:
    """Raise BadFile where a part of the checkpoint is missing, or does not fit `load_state` or the history."""
    with reading(path, "a checkpoint of a search"):
        _Parts.model_validate(dict(saved))


def derived_of(path: Path, saved: Mapping[str, Any], space: Space) -> Derived:
    """The derived architecture in a checkpoint, if it has one. Raises BadFile."""
    with reading(path, "a checkpoint of a search"):
        found = _Derived.model_validate(saved["derived"])
        space.check(found.architecture)
        return Derived(**found.model_dump())
