"""The verb `search` on a benchmark: a strategy is replayed on a table of real results."""

from __future__ import annotations

from latkit import report
from latkit.errors import TargetOutOfReach, UsageError
from latkit.layout import REPORT_FILE, Folders
from latkit.layout.fitted import FittedModels
from latkit.progress import Callbacks
from latkit.search.cluster import connected
from latkit.search.evaluators import EVALUATORS, Evaluator
from latkit.search.evaluators.cheap_first import CheapFirst
from latkit.search.evaluators.tabular import TabularEvaluator
from latkit.search.goals import Goals
from latkit.search.records.result import FILES
from latkit.search.records.strategy import HISTORY_FILE, StrategyPlan, StrategyRecord
from latkit.search.strategies import STRATEGIES
from latkit.search.strategy_run import RunOptions, planned_strategy, run_strategy
from latkit.search.tasks import DEFAULT_METRIC
from latkit.workspace.requests.search import BenchmarkSearchRequest
from latkit.workspace.searches.saved_request import saving_request

BENCHMARK_GOALS = (f"{DEFAULT_METRIC}:max",)


def search_benchmark(workspace: FittedModels, request: BenchmarkSearchRequest, callbacks: Callbacks) -> StrategyRecord:
    """Replay a search, and save history, record and report under `search/NAME/`.

    Bounds are checked first and cost nothing. Raises UsageError for unknown names and quantities, missing data, and a
    folder that does not match `resume`; TargetOutOfReach where nothing is within the bounds; BadFile for data that
    cannot be read and for the history of another search.
    """
    STRATEGIES.get(request.strategy.strategy)
    if not request.data.is_dir():
        raise UsageError(f"expected a folder with the tables of {request.benchmark}, but found none at {request.data}")
    space, table = EVALUATORS.get(request.benchmark).build(request.data)
    plan = request.strategy.model_copy(
        update={"goals": request.strategy.goals or BENCHMARK_GOALS, "evaluator": request.benchmark}
    )
    goals = plan.parsed_goals()
    goals.check(table.quantities)
    planned_strategy(plan, space, table.efforts)
    check_met(table, goals)
    folder = workspace.search_dir(request.name)
    _check_folder(workspace, request, plan)
    options = RunOptions(callbacks, request.workers, request.cluster)
    with saving_request(workspace, request), connected(request.cluster):
        record, _ = run_strategy(plan, space, bounded(table, goals), folder, options)
    report.write_report(workspace, request.name, folder / REPORT_FILE)
    return record


def check_met(table: Evaluator, goals: Goals) -> None:
    """Raise TargetOutOfReach where nothing in a table is within the bounds, with the nearest there is."""
    if not goals.bounds or not isinstance(table, TabularEvaluator):
        return
    verdicts = TabularEvaluator(table.table, goals.quantities).judge(list(table.table.rows))
    if not any(map(goals.is_met, verdicts)):
        nearest = max(verdicts, key=goals.rank)
        values = ", ".join(f"{name} {value:.6g}" for name, value in nearest.quantities.items())
        raise TargetOutOfReach(
            f"expected an architecture within {', '.join(map(str, goals.bounds))}, but {table.name} has none: "
            f"the nearest has {values}; loosen a bound"
        )


def bounded(table: Evaluator, goals: Goals) -> Evaluator:
    """The table with only the quantities of the goals; what breaks a bound is refused before it costs anything."""
    if not isinstance(table, TabularEvaluator):
        return table
    needed = TabularEvaluator(table.table, goals.quantities)
    if not goals.bounds:
        return needed
    return CheapFirst(TabularEvaluator(table.table, [bound.quantity for bound in goals.bounds]), needed, goals)


def _check_folder(folders: Folders, request: BenchmarkSearchRequest, plan: StrategyPlan) -> None:
    folder = folders.search_dir(request.name)
    if (folder / FILES["recipe"]).exists():
        raise UsageError(f"{folder} holds a search that is not of a benchmark; give this one another name")
    begun = (folder / HISTORY_FILE).exists()
    if begun and not request.resume:
        raise UsageError(
            f"{folder} holds a search by {plan.strategy} or another strategy; resume it with --resume, "
            "or give it another name"
        )
    if request.resume and not begun:
        raise UsageError(f"expected a search to resume, but found none at {folder}")
