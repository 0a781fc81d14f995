"""Uses of the files that searches read and save, images included."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import torch
from lightning_fabric import Fabric

from benchmarks.fuzzing.corpus_search import SERIES
from benchmarks.fuzzing.uses_base import UsesBase
from latkit.layout.series import searches_named, series_named
from latkit.report.sections.searches.series import series_sections
from latkit.search import Problem, Recipe, load_data, load_network, run_search
from latkit.search.baselines import Baselines
from latkit.search.objectives.constraints import (
    CONSTRAINTS_FILE,
    ConstraintMultipliers,
    check_constraints,
    load_constraints,
)
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES
from latkit.search.records.search_dir import SearchFolder
from latkit.tables import LatencyTable


class SearchUses(UsesBase):
    """Of searches."""

    def baselines(self) -> None:
        """Its record, then the page of its search."""
        Baselines.load(self.found)
        self.report_search()

    def series(self) -> None:
        """Its page."""
        found = series_named(self.workspace, SERIES)
        if found is None:
            return
        str(series_sections(self.workspace, found)[0])
        searches_named(self.workspace, [SERIES])

    def cross(self) -> None:
        """The page of its series."""
        self.series()

    def checkpoint(self) -> None:
        """The search continues."""
        begun = self.root / "search" / "begun"
        recipe = load_record(Recipe, begun / FILES["recipe"])
        SearchFolder(begun, fabric()).load(recipe.identity)
        shutil.copytree(begun, self.out / "begun", symlinks=True)
        self._search(self.out / "begun", recipe, resume=True)

    def warm_up(self) -> None:
        """Another search begins from it."""
        recipe = load_record(Recipe, self.found / FILES["recipe"])
        self._search(self.out / "warm", recipe, warm_up=self.found / "warmup.pt")

    def _search(self, folder: Path, recipe: Recipe, resume: bool = False, warm_up: Path | None = None) -> None:
        table = LatencyTable.load(self.found / FILES["table"])
        constraints = [one for one in load_constraints(self.found / CONSTRAINTS_FILE, self.space) if one.name == "macs"]
        data = load_data(str(self.root / "data.npz"), 8, 1)
        run_search(
            Problem(self.space, table, data, recipe.target_latency_s, recipe.settings, constraints=constraints),
            folder,
            resume=resume,
            warm_up=warm_up,
        )

    def idx(self) -> None:
        """All images."""
        self._fetch(f"idx:{self.root / 'idx'}", 1)

    def idx_gz(self) -> None:
        """All images."""
        self._fetch(f"idx:{self.root / 'idx_gz'}", 1)

    def npz(self) -> None:
        """All images."""
        self._fetch(str(self.root / "data.npz"), 1)

    def images(self) -> None:
        """All images."""
        self._fetch(str(self.root / "images"), 3)

    def _fetch(self, source: str, channels: int) -> None:
        data = load_data(source, 8, channels)
        for images in (data.train, data.test):
            images.fetch(torch.arange(len(images.labels)))
        str(data.sha256)

    def constraints(self) -> None:
        """Looked up for every path, and as a loss."""
        space = self.space
        found = load_constraints(self.found / CONSTRAINTS_FILE, space)
        check_constraints(found, space)
        constraints = ConstraintMultipliers(found, 0.1)
        shape = [len(choice.options) for choice in space.choices]
        uniform = torch.tensor([[float(index < size) / size for index in range(max(shape))] for size in shape])
        float(constraints(uniform))
        constraints.update(uniform)
        constraints.figures(uniform)
        for constraint in found:
            constraint.admits([0] * len(shape))
            constraint.format_value(constraint.value([0] * len(shape)))

    def weights(self) -> None:
        """Classifies an image."""
        load_network(self.found)(torch.zeros(1, 1, 8, 8))


@cache
def fabric() -> Fabric:
    """One process, on the CPU."""
    return Fabric(accelerator="cpu", devices=1)
