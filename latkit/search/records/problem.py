"""The inputs of a search as one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latkit.search.data import DataSplit
from latkit.search.gradient.settings import SearchSettings
from latkit.search.objectives.constraints import Constraint
from latkit.search.records.provenance import machine, versions
from latkit.search.records.recipe import DataFacts
from latkit.search.records.result import ConstraintFacts, Recipe, table_hash
from latkit.search.records.strategy import StrategyPlan
from latkit.search.supernet.elastic.inheritance import SupernetStart
from latkit.search.tasks import TASKS, Task
from latkit.search.training.trained_network import TrainedNetwork
from latkit.spaces import Space
from latkit.tables import LatencyTable


@dataclass(frozen=True, slots=True)
class Problem:
    """All inputs of a search, or of a baseline of it; see `run_search`."""

    space: Space
    table: LatencyTable
    """Seconds of every candidate of the space on the target."""
    data: DataSplit
    target_s: float
    """The latency to reach, in seconds."""
    settings: SearchSettings
    teacher: TrainedNetwork | None = None
    """The network that the derived one learns from besides the labels, as `load_network` returns it."""
    constraints: Sequence[Constraint] = ()
    """Upper bounds that the network must also meet; they do not bind baselines."""
    strategy: StrategyPlan | None = None
    """Of a search by a strategy."""
    start: SupernetStart | None = None
    """Weights of a trained supernet that the search begins with; drawn at random by default."""

    @property
    def task(self) -> Task:
        """The task that the settings name. Raises UsageError for an unknown one."""
        return TASKS.get(self.settings.task)

    def recipe(self) -> Recipe:
        """The recipe of the search in the current environment."""
        return Recipe(
            space=self.space.name,
            space_key=self.space.key,
            table_sha256=table_hash(self.table),
            target_latency_s=self.target_s,
            constraints={constraint.name: ConstraintFacts.of(constraint) for constraint in self.constraints},
            data=DataFacts.of(self.data),
            settings=self.settings,
            strategy=self.strategy,
            started_from=self.start.weights_sha256 if self.start else None,
            teacher=self.teacher.facts if self.teacher else None,
            versions=versions(),
            machine=machine(self.settings.threads),
        )
