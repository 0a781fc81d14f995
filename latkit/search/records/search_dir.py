"""The folder of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latkit.search.records.checkpoint import save_checkpoint
from latkit.search.records.checkpoint_parts import check_parts
from latkit.search.records.result import FILES, Recipe, SearchResult
from latkit.search.records.run_dir import RunFolder
from latkit.search.supernet.warmup import WARM_UP_FILE


@dataclass(frozen=True, slots=True)
class SearchFolder(RunFolder[Recipe, SearchResult]):
    """The files of a search."""

    what = "search"
    into = "search into"
    files = FILES

    @property
    def kinds(self) -> tuple[type[Recipe], type[SearchResult]]:
        """See `RunFolder`."""
        return Recipe, SearchResult

    def check_parts(self, path: Path, saved: Mapping[str, Any]) -> None:
        """See `RunFolder`."""
        check_parts(path, saved)

    def save_warm_up(self, content: dict[str, Any]) -> None:
        """At the end of the warm-up, save a copy of the checkpoint for other searches."""
        self.write(lambda: save_checkpoint(self.path / WARM_UP_FILE, content))
