"""The part that torchrun's other processes take in a search: they search along, the first one tells and measures."""

from __future__ import annotations

from collections.abc import Sequence

from latkit.search import DataSplit, Limit, SearchSettings, run_search
from latkit.search.baselines import Wanted, run_baselines
from latkit.search.trained import TrainedNetwork
from latkit.spaces import Space
from latkit.tables import LatencyTable
from latkit.targets import Target
from latkit.workspace.modelling import Modelling
from latkit.workspace.series import Series


def follow(
    workspace: Modelling,
    series: Series,
    space: Space,
    data: DataSplit,
    settings: SearchSettings,
    kind: str = "lookup",
    teacher: TrainedNetwork | None = None,
    limits: Sequence[Limit] = (),
    baselines: Sequence[Wanted] = (),
) -> None:
    """Search along, search after search. What is resumed, and from which warm-up, is the first process's business.

    Raises LatkitError where one of them fails, as it does in every process: that ends them all.
    """
    for member in series.members:
        table = LatencyTable(space, workspace.model(Target.parse(member.target), kind))
        folder, target_s = workspace.search_dir(member.name), member.target_latency_s
        run_search(space, table, data, target_s, settings, folder, teacher=teacher, limits=limits)
        if baselines:
            run_baselines(space, table, data, target_s, settings, folder, baselines, teacher=teacher)
