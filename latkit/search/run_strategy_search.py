"""A full search by a strategy: it searches, then the best network is trained and exported as any other search's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from latkit.errors import TargetOutOfReach, UsageError
from latkit.progress import Silent
from latkit.search.evaluators import Evaluator, Verdict
from latkit.search.objectives.constraints import check_constraints
from latkit.search.objectives.derivation import Derived, check_reach
from latkit.search.preflight import check_data
from latkit.search.records.base import load_record
from latkit.search.records.problem import Problem
from latkit.search.records.result import Recipe, SearchResult
from latkit.search.records.search_dir import SearchFolder
from latkit.search.records.strategy import STRATEGY_FILE, StrategyPlan, StrategyRecord
from latkit.search.run import PhasedSearch
from latkit.search.strategy_run import RunOptions, run_strategy
from latkit.search.training.resource_errors import translate_resource_errors
from latkit.search.training.runtime_env import fabric_of


def run_strategy_search(
    problem: Problem, evaluator: Evaluator, folder: Path, options: RunOptions, resume: bool = False
) -> SearchResult:
    """Search by the strategy of `problem.strategy`, then train and export the best network within the bounds.

    Everything is written under `folder`, as `run_search` does, with the strategy's history and record. `resume`
    continues the history; a finished search's result is returned. Raises UsageError where space, images and plan do not
    fit, TargetOutOfReach where nothing within the bounds was found, with the nearest, and what `run_search` raises.
    """
    problem.table.check_space(problem.space)
    check_data(problem.space, problem.data, problem.task)
    check_constraints(problem.constraints, problem.space)
    binding = check_reach(problem.table, problem.target_s, problem.constraints)
    fabric = fabric_of(problem.settings)
    if fabric.world_size > 1:
        raise UsageError("expected one process of a search by a strategy; --workers or --cluster start others")
    recipe, files = problem.recipe(), SearchFolder(folder, fabric)
    if resume and problem.strategy is not None:
        _check_budget(files, problem.strategy)
    finished = files.open(recipe, resume)
    if finished is not None:
        return finished
    progress = options.callbacks.progress if fabric.is_global_zero else Silent()
    search = _StrategySearch(problem, recipe, files, fabric, binding, progress, None)
    search.evaluator, search.options = evaluator, options
    with translate_resource_errors(folder, problem.settings):
        return search.run()


def _check_budget(files: SearchFolder, plan: StrategyPlan) -> None:
    """Raise UsageError for another budget than that with which a network was found, once its training has begun."""
    if not any(files.file(what).exists() for what in ("checkpoint", "result")):
        return
    begun = load_record(Recipe, files.file("recipe")).strategy
    if begun is not None and begun.budget != plan.budget:
        raise UsageError(
            f"{files.path}: expected the budget with which its network was found, {begun.budget_text}, since the "
            f"training has begun, but found {plan.budget_text}; resume it as it began, or search with another name"
        )


@dataclass
class _StrategySearch(PhasedSearch):
    """A search whose architecture comes from a strategy."""

    def __post_init__(self) -> None:
        self.evaluator: Evaluator
        self.options: RunOptions

    def _derived(self, saved: dict[str, Any]) -> tuple[Derived, nn.Module]:  # noqa: ARG002 - the history is the state
        """The best architecture of the strategy, with fresh weights."""
        assert self.problem.strategy is not None
        began = time.monotonic()
        record, _ = run_strategy(
            self.problem.strategy, self.problem.space, self.evaluator, self.files.path, self.options
        )
        self.seconds["search"] += time.monotonic() - began
        if record.best is None:
            raise TargetOutOfReach(nothing_found(record))
        architecture = record.best.architecture
        derived = Derived.of(architecture, architecture, self.problem.table)
        return derived, self._module(derived, None)

    def _expected_s(self, derived: Derived) -> float:
        return derived.predicted_s

    def _notes(self) -> tuple[str, ...]:
        record = load_record(StrategyRecord, self.files.path / STRATEGY_FILE)  # a resumed training has not searched
        return (*super()._notes(), *remarks_of(record))


def remarks_of(record: StrategyRecord) -> tuple[str, ...]:
    """What a reader should know of a search by a strategy."""
    evaluations = record.spent.get("evaluations", 0)
    found = [f"found by {record.plan.strategy} with {evaluations:g} evaluations by {record.evaluator}"]
    if measured := record.spent.get("measurements"):
        found.append(f"{measured:g} latencies were measured, because their predicted interval contains the bound")
    if record.failures:
        found.append(f"{record.failures} evaluations failed; {record.name}/history.jsonl says why")
    return tuple(found)


def nothing_found(record: StrategyRecord) -> str:
    """That nothing meets the goals, with the nearest there is."""
    goals = record.plan.parsed_goals()
    if record.nearest is not None and goals.is_met(Verdict(record.nearest.quantities)):
        return (
            f"expected an architecture at the greatest effort, but found none in {record.asked} verdicts: all have a "
            "lesser one; give a larger budget and --resume"
        )
    nearest = "every evaluation failed"
    if record.nearest is not None:
        values = ", ".join(f"{name} {value:.6g}" for name, value in record.nearest.quantities.items())
        nearest = f"the nearest has {values}"
    return (
        f"expected an architecture within {', '.join(map(str, goals.bounds)) or 'the goals'}, but found none in "
        f"{record.asked} verdicts: {nearest}; loosen a bound, or give a larger budget and --resume"
    )
