"""Shared parts of uses: a workspace, what is printed, and the pages of the report."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.fuzzing.corpus_measured import TARGET
from benchmarks.fuzzing.corpus_search import FOUND
from benchmarks.fuzzing.terminal import Terminal
from latkit.report.sections.searches.search import search_sections
from latkit.report.sections.searches.search_facts import read_search
from latkit.report.sections.searches.series import comparison_with_others
from latkit.report.sections.targets.target import target_sections
from latkit.report.sections.targets.target_facts import read_target
from latkit.spaces import Space, load_space_file
from latkit.tables import LatencyTable
from latkit.workspace import Workspace

TARGET_NAME = str(TARGET)


class UsesBase:
    """Uses in one workspace; `terminal` records what is printed. Files are written to the folder `out`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.out = root / "out"
        self.terminal = Terminal()
        self.workspace = Workspace(root)
        self.found = root / "search" / FOUND

    def _run(self, *arguments: object) -> None:
        self.terminal.run(self.root, *arguments)

    @property
    def space(self) -> Space:
        """The space of the corpus."""
        return known_space(str(self.root))

    def report_search(self) -> None:
        """The page about a search."""
        facts = read_search(self.workspace, FOUND)
        str(search_sections(facts))
        str(comparison_with_others(self.workspace, facts))

    def report_target(self) -> None:
        """The page about a target."""
        str(target_sections(read_target(self.workspace, TARGET)))

    def _table(self, space: Space, model: Any) -> None:
        self._use_table(LatencyTable(space, model))

    def _use_table(self, table: LatencyTable) -> None:
        rows = table.rows()
        table.fastest()
        table.slowest()
        uniform = table.softmax(torch.zeros(table.mask.shape, dtype=torch.float64))
        float(table(uniform))
        paths = itertools.islice(itertools.product(*(range(len(row)) for row in rows)), 64)
        table.lookup(torch.tensor(list(paths), dtype=torch.uint8))


@cache
def known_space(root: str) -> Space:
    """The space of the corpus, read before anything is mutated."""
    return load_space_file(Path(root) / "known.toml")
