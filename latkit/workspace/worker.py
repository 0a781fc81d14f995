"""The part of torchrun's other processes in a search: they search too; only the first one reports and measures."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.search import Constraint, DataSplit, Problem, SearchSettings, run_search
from latkit.search.baselines import BaselineRequest, run_baselines
from latkit.search.training.trained_network import TrainedNetwork
from latkit.spaces import Space
from latkit.workspace.layout import Folders
from latkit.workspace.multi_search import Series
from latkit.workspace.preflight import shared


def follow(
    folders: Folders,
    series: Series,
    space: Space,
    data: DataSplit,
    settings: SearchSettings,
    teacher: TrainedNetwork | None = None,
    constraints: Sequence[Constraint] = (),
    baselines: Sequence[BaselineRequest] = (),
) -> None:
    """Take part in one search after the other. The first process sets what is resumed, with which tables and warm-up.

    Raises LatkitError if a search fails, as every process does: that ends them all.
    """
    for member in series.members:
        tables = shared(None, space, constraints, settings)
        problem = Problem(space, tables.latency, data, member.target_latency_s, settings, teacher, tables.constraints)
        folder = folders.search_dir(member.name)
        run_search(problem, folder)
        for one in baselines:
            run_baselines(problem, folder, [one])
