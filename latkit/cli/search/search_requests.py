"""The requests that the options of `latkit search` stand for.

`given` has a value for every parameter of the command, under its name.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from latkit._io import checking
from latkit.cli.parsing import (
    in_precisions,
    parse_constraints,
    parse_settings,
    read_settings,
    space_named,
    targets_named,
    tool_named,
)
from latkit.errors import UsageError
from latkit.layout import Folders
from latkit.search.records.strategy import StrategyPlan
from latkit.spaces import Space
from latkit.workspace.requests import BenchmarkSearchRequest, SearchRequest
from latkit.workspace.searches.search_job import started_inputs


def strategy_plan(given: SimpleNamespace) -> StrategyPlan | None:
    """How a strategy searches; None where a supernet's gradient does."""
    if not (given.strategy or given.benchmark):
        return None
    with checking("search by a strategy"):
        return StrategyPlan(
            strategy=given.strategy or "evolution",
            settings=parse_settings(given.strategy_setting or (), "--strategy-set"),
            seed=given.seed,
            goals=tuple(given.goal or ()),
            evaluations=given.evaluations,
            max_seconds=given.evaluation_seconds,
            max_epochs=given.evaluation_epochs,
            batch=given.batch,
            evaluator=given.evaluator,
            measure_unsure=given.measure_unsure,
        )


def replay_request(given: SimpleNamespace, plan: StrategyPlan) -> BenchmarkSearchRequest:
    """A replay on a table of real results. Raises UsageError without its folder or its name."""
    if not (given.data and given.name):
        missing = "--name" if given.data else "--data"
        raise UsageError(f"expected --data FOLDER and --name NAME with --benchmark, but found no {missing}")
    return BenchmarkSearchRequest(
        benchmark=given.benchmark,
        data=Path(given.data),
        name=given.name,
        strategy=plan,
        workers=given.workers,
        cluster=given.cluster,
        resume=given.resume,
    )


def search_request(
    given: SimpleNamespace, workspace: Folders, plan: StrategyPlan | None, seed_is_given: bool
) -> SearchRequest:
    """A search on targets. Raises UsageError where something is missing."""
    supernet = None if given.space else given.start_from
    chain, data = started_inputs(workspace, supernet, given.data, given.resolution, given.width)
    _check_complete(given, given.space or chain, data)
    space = chain or space_named(str(given.space), given.resolution, given.width, given.classes, given.channels)
    return SearchRequest(
        targets=targets_named(given.targets),
        space=in_precisions(space, given.precision),
        data=str(data),
        latencies_s=tuple(one_ms / 1e3 for one_ms in given.latency_ms),
        name=given.name,
        model=given.model,
        settings=_settings(given, seed_is_given),
        quick=given.quick,
        constraints=parse_constraints(given.constraint or ()),
        teacher=given.teacher,
        baselines=tuple(given.baseline or ()),
        resume=given.resume,
        start_from=given.start_from,
        strategy=plan,
        workers=given.workers,
        cluster=given.cluster,
        wait_s=given.wait,
        benchmark_tool=tool_named(given.benchmark_tool, given.benchmark_flag),
    )


def _check_complete(given: SimpleNamespace, space: str | Space | None, data: str | None) -> None:
    """Raise UsageError, which names what a search lacks."""
    required = {
        "TARGET": given.targets,
        "--space": space,
        "--data": data,
        "--latency-ms": given.latency_ms,
        "--name": given.name,
    }
    if missing := ", ".join(name for name, value in required.items() if not value):
        hint = (
            "to continue a search: latkit search --resume --name NAME"
            if given.resume
            else "to do a finished search again: latkit reproduce NAME"
        )
        raise UsageError(f"expected {', '.join(required)}, but found no {missing}; {hint}")


def _settings(given: SimpleNamespace, seed_is_given: bool) -> dict[str, object]:
    """Those of --set before those of the file. The seed is that of --seed where it was given, else the file's."""
    settings = read_settings(given.settings_file)
    seeded = {**settings, "seed": given.seed} if seed_is_given else {"seed": given.seed, **settings}
    return {**seeded, **parse_settings(given.setting or ())}
