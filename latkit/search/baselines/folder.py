"""Where a search's baselines are saved: the first process reads and writes, all processes get the content."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latkit._io import reading
from latkit.search.baselines.records import BASELINES_FILE, BaselineRecord, Baselines
from latkit.search.records.base import load_record
from latkit.search.records.checkpoint import load_checkpoint, save_checkpoint
from latkit.search.records.result import FILES, Recipe
from latkit.search.records.search_dir import SearchFolder
from latkit.search.training.distributed import broadcast_from_main

if TYPE_CHECKING:
    from lightning_fabric import Fabric

FOLDER = "baselines"
"""In the search's folder: checkpoints of unfinished baselines."""


@dataclass(frozen=True, slots=True)
class BaselineFolder:
    """The folder of a search, for its baselines. Processes on other machines need not have it."""

    path: Path
    fabric: Fabric

    def open(self, recipe: Recipe) -> None:
        """Prepare the folder. Raises UsageError where the search began with another recipe.

        Constraints are not compared: they apply to the search alone.
        """
        SearchFolder(self.path, self.fabric).check_alike(recipe)
        broadcast_from_main(lambda: self._opened(recipe), self.fabric)

    def _opened(self, recipe: Recipe) -> bytes:
        path = self.path / FILES["recipe"]
        saved_recipe = load_record(Recipe, path)
        recipe.model_copy(update={"constraints": saved_recipe.constraints}).check_same(saved_recipe, path)
        (self.path / FOLDER).mkdir(exist_ok=True)
        return b""

    def finished(self) -> Baselines:
        """The finished baselines."""
        found = broadcast_from_main(lambda: Baselines.load(self.path).model_dump_json().encode(), self.fabric)
        return Baselines.model_validate_json(found)

    def keep(self, record: BaselineRecord) -> None:
        """Add a finished baseline, and remove its checkpoint."""
        if self.fabric.is_global_zero:
            Baselines.load(self.path).with_record(record).save(self.path / BASELINES_FILE)
        self.drop(record.name)

    def saved(self, name: str) -> dict[str, Any]:
        """The content of the checkpoint of that name; empty where there is none. Raises BadFile."""
        path = self._checkpoint(name)
        there = broadcast_from_main(lambda: b"there" if path.exists() else b"", self.fabric)
        return load_checkpoint(path, self.fabric) if there else {}

    def reading(self, name: str) -> AbstractContextManager[None]:
        """Context manager: errors in the content of that checkpoint become BadFile with its path."""
        return reading(self._checkpoint(name), "a checkpoint of a baseline")

    def save(self, name: str, content: dict[str, Any]) -> None:
        """Replace the checkpoint of that name."""
        if self.fabric.is_global_zero:
            save_checkpoint(self._checkpoint(name), content)

    def drop(self, name: str) -> None:
        """Remove the checkpoint of that name, if there is one."""
        if self.fabric.is_global_zero:
            self._checkpoint(name).unlink(missing_ok=True)

    @contextmanager
    def history(self, name: str) -> Iterator[Path]:
        """Context manager: the history of a search by a strategy, which is continued.

        Processes besides the first have a copy of their own, so that all repeat the same verdicts.
        """
        path = self._history(name)
        content = broadcast_from_main(lambda: path.read_bytes() if path.exists() else b"", self.fabric)
        if self.fabric.is_global_zero:
            yield path
            return
        with tempfile.TemporaryDirectory() as own:
            copy = Path(own, path.name)
            copy.write_bytes(content)
            yield copy

    def drop_history(self, name: str) -> None:
        """Remove the history of that name, if there is one."""
        if self.fabric.is_global_zero:
            self._history(name).unlink(missing_ok=True)

    def _history(self, name: str) -> Path:
        return self.path / FOLDER / f"{name}.jsonl"

    def _checkpoint(self, name: str) -> Path:
        return self.path / FOLDER / f"{name}.pt"
