"""The inputs of a search as one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latkit.search.data import DataSplit
from latkit.search.objectives.constraints import Limit
from latkit.search.records.result import Recipe
from latkit.search.strategies.settings import SearchSettings
from latkit.search.training.trained_network import TrainedNetwork
from latkit.spaces import Space
from latkit.tables import LatencyTable


@dataclass(frozen=True, slots=True)
class Problem:
    """All inputs of a search, or of a baseline of it; see `run_search`."""

    space: Space
    table: LatencyTable
    data: DataSplit
    target_s: float
    settings: SearchSettings
    teacher: TrainedNetwork | None = None
    limits: Sequence[Limit] = ()

    def recipe(self) -> Recipe:
        """The recipe of the search in the current environment."""
        teacher = self.teacher.facts if self.teacher else None
        return Recipe.of(self.space, self.table, self.data, self.target_s, self.settings, teacher, self.limits)
