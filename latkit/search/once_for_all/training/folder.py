"""The folder of a supernet's training, and the parts of its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from latkit._io import reading
from latkit.search.once_for_all.records import SUPERNET_FILES, SupernetRecipe, SupernetResult
from latkit.search.records.run_dir import RunFolder


@dataclass(frozen=True, slots=True)
class SupernetFolder(RunFolder[SupernetRecipe, SupernetResult]):
    """The files of a supernet."""

    what = "supernet"
    into = "train into"
    files = SUPERNET_FILES

    @property
    def kinds(self) -> tuple[type[SupernetRecipe], type[SupernetResult]]:
        """See `RunFolder`."""
        return SupernetRecipe, SupernetResult

    def check_parts(self, path: Path, saved: Mapping[str, Any]) -> None:
        """See `RunFolder`."""
        with reading(path, "a checkpoint of a supernet"):
            _Parts.model_validate(dict(saved))


class _Parts(BaseModel):
    """The parts of a checkpoint that are no tensors."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)
    of: dict[str, str | float]
    number: Annotated[int, Field(ge=0)]
    """Of the stage."""
    step: Annotated[int, Field(ge=0)]
    phase: dict[str, Any]
    rows: dict[str, list[dict[str, Any]]]
    seconds: dict[str, Annotated[float, Field(ge=0)]]
