"""The folder of a search: the first process reads and writes, all processes get the content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from latkit.errors import BadFile, UsageError
from latkit.search.records.base import load_record
from latkit.search.records.checkpoint import load_checkpoint, save_checkpoint
from latkit.search.records.checkpoint_parts import check_parts
from latkit.search.records.result import FILES, Recipe, SearchResult
from latkit.search.supernet.warmup import WARM_UP_FILE, check_warm_up
from latkit.search.training.distributed import broadcast_from_main


@dataclass(frozen=True, slots=True)
class SearchFolder:
    """The files of a search. Processes on other machines need not see the folder."""

    path: Path
    fabric: Fabric

    def file(self, what: str) -> Path:
        """Path of a file named in `FILES`."""
        return self.path / FILES[what]

    def open(self, recipe: Recipe, resume: bool, warm_up: Path | None) -> SearchResult | None:
        """Prepare the folder; returns the result if the search is finished. Raises UsageError."""
        self.check_alike(recipe)
        found = broadcast_from_main(lambda: self._opened(recipe, resume, warm_up), self.fabric)
        return SearchResult.model_validate_json(found) if found else None

    def check_alike(self, recipe: Recipe) -> None:
        """Raise UsageError where another process has other images, another table or another version."""
        first = Recipe.model_validate_json(broadcast_from_main(recipe.model_dump_json().encode, self.fabric))
        found = recipe.difference(first)
        if found is not None:
            name, mine, theirs = found
            raise UsageError(
                f"expected the same search in every process, but found {name} {mine!r} where the first one has "
                f"{theirs!r}; give all of them the same words, images and versions"
            )

    def _opened(self, recipe: Recipe, resume: bool, warm_up: Path | None) -> bytes:
        if warm_up is not None:
            check_warm_up(warm_up, recipe)
        recipe_path, result_path = self.file("recipe"), self.file("result")
        if recipe_path.exists():
            if not resume:
                state = "a finished" if result_path.exists() else "an unfinished"
                raise UsageError(f"{self.path} holds {state} search; resume it, or search into another folder")
            begun = load_record(Recipe, recipe_path)
            finished = result_path.exists()
            recipe.check_same(begun, recipe_path, versions=not finished)  # a result is read by any version
            if finished:
                return load_record(SearchResult, result_path).model_dump_json().encode()
            begun.resumed_as(recipe).save(recipe_path)
            return b""
        if resume:
            raise UsageError(f"{self.path}: expected a search to resume, but found none")
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path}: expected a folder to search into, but found a file")
        self._begin(recipe)
        return b""

    def _begin(self, recipe: Recipe) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            recipe.save(self.file("recipe"))
        except OSError as error:
            raise UsageError(
                f"{self.path}: expected a folder that can be written to, but found: {error.strerror}"
            ) from error

    def write(self, work: Callable[[], object]) -> None:
        """Write files in the first process alone."""
        if self.fabric.is_global_zero:
            work()

    def saved(self, recipe: Recipe) -> dict[str, Any]:
        """The content of the checkpoint; empty where there is none. Raises BadFile, also for another search's."""
        path = self.file("checkpoint")
        if not broadcast_from_main(lambda: b"there" if path.exists() else b"", self.fabric):
            return {}
        saved = load_checkpoint(path, self.fabric)
        check_parts(path, saved)
        for what, expected in recipe.identity.items():
            if saved["of"].get(what) != expected:
                raise BadFile(
                    path,
                    f"a checkpoint of this search, with {what} {expected!r}",
                    f"another search's, with {saved['of'].get(what)!r}; put the search's own back, or remove it to "
                    "begin anew",
                )
        return saved

    def save(self, content: dict[str, Any], warmed_up: bool) -> None:
        """Replace the checkpoint; at the end of the warm-up, save a copy for other searches."""
        self.write(lambda: save_checkpoint(self.file("checkpoint"), content))
        if warmed_up:
            self.write(lambda: save_checkpoint(self.path / WARM_UP_FILE, content))
