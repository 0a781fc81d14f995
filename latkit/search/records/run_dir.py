"""The folder of a training: the first process reads and writes, all processes get the content."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from latkit.errors import BadFile, UsageError
from latkit.search.records.base import Record, load_record
from latkit.search.records.checkpoint import load_checkpoint, save_checkpoint
from latkit.search.records.recipe import TrainingRecipe
from latkit.search.training.distributed import broadcast_from_main

if TYPE_CHECKING:
    from lightning_fabric import Fabric

RecipeType = TypeVar("RecipeType", bound=TrainingRecipe)
ResultType = TypeVar("ResultType", bound=Record)

OTHER_RECIPES = {"recipe.json": "a search", "supernet.json": "a supernet"}
"""The recipes' files of all kinds of training: a folder holds one training."""


@dataclass(frozen=True, slots=True)
class RunFolder(ABC, Generic[RecipeType, ResultType]):
    """The files of a training. Processes on other machines need not see the folder."""

    path: Path
    fabric: Fabric

    what: ClassVar[str]
    """For errors, such as `search`."""
    into: ClassVar[str]
    """For errors: what one does into a folder."""
    files: ClassVar[Mapping[str, str]]

    @property
    @abstractmethod
    def kinds(self) -> tuple[type[RecipeType], type[ResultType]]:
        """The records of recipe and result."""

    @abstractmethod
    def check_parts(self, path: Path, saved: Mapping[str, Any]) -> None:
        """Raise BadFile where a part of a checkpoint is missing or wrong."""

    def file(self, what: str) -> Path:
        """Path of a file named in `files`."""
        return self.path / self.files[what]

    def open(self, recipe: RecipeType, resume: bool) -> ResultType | None:
        """Prepare the folder; returns the result if the training is finished. Raises UsageError."""
        self.check_alike(recipe)
        found = broadcast_from_main(lambda: self._opened(recipe, resume), self.fabric)
        return self.kinds[1].model_validate_json(found) if found else None

    def check_alike(self, recipe: RecipeType) -> None:
        """Raise UsageError where another process has other images, another table or another version."""
        first = self.kinds[0].model_validate_json(broadcast_from_main(recipe.model_dump_json().encode, self.fabric))
        found = recipe.difference(first)
        if found is not None:
            name, mine, theirs = found
            raise UsageError(
                f"expected the same {self.what} in every process, but found {name} {mine!r} where the first one has "
                f"{theirs!r}; give all of them the same arguments, images and versions"
            )

    def _opened(self, recipe: RecipeType, resume: bool) -> bytes:
        recipe_path, result_path = self.file("recipe"), self.file("result")
        recipe_kind, result_kind = self.kinds
        if recipe_path.exists():
            if not resume:
                state, way = ("a finished", "see") if result_path.exists() else ("an unfinished", "resume")
                raise UsageError(
                    f"{self.path} holds {state} {self.what}; {way} it with --resume, or {self.into} another folder"
                )
            begun = load_record(recipe_kind, recipe_path)
            finished = result_path.exists()
            recipe.check_same(begun, recipe_path, versions=not finished)  # a result is read by any version
            if finished:
                return load_record(result_kind, result_path).model_dump_json().encode()
            begun.resumed_as(recipe).save(recipe_path)
            return b""
        if resume:
            raise UsageError(f"{self.path}: expected a {self.what} to resume, but found none")
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path}: expected a folder to {self.into}, but found a file")
        for name, other in OTHER_RECIPES.items():
            if (self.path / name).exists():
                raise UsageError(f"{self.path} holds {other}; {self.into} another folder")
        self._begin(recipe)
        return b""

    def _begin(self, recipe: RecipeType) -> None:
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

    def load(self, identity: Mapping[str, str | float]) -> dict[str, Any]:
        """The content of the checkpoint; empty where there is none. Raises BadFile, also for another training's."""
        path = self.file("checkpoint")
        if not broadcast_from_main(lambda: b"there" if path.exists() else b"", self.fabric):
            return {}
        saved = load_checkpoint(path, self.fabric)
        self.check_parts(path, saved)
        for what, expected in identity.items():
            if saved["of"].get(what) != expected:
                raise BadFile(
                    path,
                    f"a checkpoint of this {self.what}, with {what} {expected!r}",
                    f"another {self.what}'s, with {saved['of'].get(what)!r}; put the {self.what}'s own back, or remove "
                    "it to begin anew",
                )
        return saved

    def save(self, content: dict[str, Any]) -> None:
        """Replace the checkpoint."""
        self.write(lambda: save_checkpoint(self.file("checkpoint"), content))
