"""A search by a strategy in a folder: history, curves, and the record of what was found."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from latkit._io import checking, make_folder
from latkit.progress import SILENT, Callbacks
from latkit.search.evaluators import Evaluator
from latkit.search.history import Entry, check_history, header
from latkit.search.loop import LoopOptions, SearchOutcome, search
from latkit.search.records.result import FILES
from latkit.search.records.strategy import HISTORY_FILE, STRATEGY_FILE, STUDY_FILE, Judged, StrategyPlan, StrategyRecord
from latkit.search.strategies import STRATEGIES, Strategy, make_strategy
from latkit.spaces.base import Space

CURVES = "tensorboard/strategy"
"""In a search's folder: scalars by the number of the verdict."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a search runs; none of it changes the history."""

    callbacks: Callbacks = SILENT
    workers: int = 1
    cluster: str | None = None
    """Address of a Ray cluster; `auto` is the one that runs on this machine."""


def planned_strategy(plan: StrategyPlan, space: Space, efforts: tuple[float, ...] = ()) -> Strategy:
    """The strategy of a plan; one that uses efforts has those given, unless the plan names some.

    Raises UsageError for an unknown strategy, setting or goal.
    """
    kind = STRATEGIES.get(plan.strategy)
    settings = parse_strategy_settings(kind, plan.settings)
    if efforts and any(field.name == "efforts" for field in dataclasses.fields(kind.settings_type)):  # type: ignore[attr-defined]
        settings.setdefault("efforts", efforts)
    return make_strategy(plan.strategy, space, plan.parsed_goals(), plan.seed, **settings)


def parse_strategy_settings(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """Settings that may be text, such as `20` or `1,3,9`, as the strategy's settings have them. Raises UsageError."""
    fields = {field.name: field for field in dataclasses.fields(kind.settings_type)}  # type: ignore[attr-defined]
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in fields:
            found[name] = value  # make_strategy says which ones there are
            continue
        default = fields[name].default
        is_list = isinstance(default, tuple)
        parts: Any = value.split(",") if is_list and isinstance(value, str) else value
        expected: Any = tuple[float, ...] if is_list else type(default)
        with checking(f"setting {name}"):
            found[name] = TypeAdapter(expected).validate_python(parts)
    return found


def run_strategy(
    plan: StrategyPlan, space: Space, evaluator: Evaluator, folder: Path, options: RunOptions
) -> tuple[StrategyRecord, SearchOutcome]:
    """Search, and write space, history, scalars and record into a folder. A saved history is continued.

    Raises UsageError and BadFile as `search` does; the history of another search is refused before anything is written.
    """
    strategy = planned_strategy(plan, space, evaluator.efforts)
    check_history(folder / HISTORY_FILE, header(strategy, evaluator, plan.batch))
    make_folder(folder)
    space.save(folder / FILES["space"])
    if options.workers > plan.batch:
        options.callbacks.on_message(
            f"{plan.batch} of {options.workers} workers evaluate: only a batch of {plan.batch} is pending at once; "
            f"to use all, begin a search with --batch {options.workers}"
        )
    progress = _Progress(plan, options.callbacks, folder)
    loop = LoopOptions(folder / HISTORY_FILE, plan.batch, options.workers, options.cluster, progress)
    try:
        outcome = search(strategy, evaluator, plan.budget, loop)
    finally:
        progress.close()
    record = StrategyRecord.of(folder.name, plan, (space.name, space.key), evaluator.name, outcome)
    record = _with_test(record, evaluator)
    record.save(folder / STRATEGY_FILE)
    if plan.strategy.startswith("optuna-"):
        from latkit.search.strategies.optuna_samplers import save_study

        save_study(folder / STUDY_FILE, folder.name, outcome.entries, space, outcome.goals)
    return record, outcome


def _with_test(record: StrategyRecord, evaluator: Evaluator) -> StrategyRecord:
    """The record with what the table says of the found architectures on test images."""

    def tested(one: Judged) -> Judged:
        return one.model_copy(update={"test": evaluator.test_quantities(one.architecture)})

    front: Sequence[Judged] = [tested(one) for one in record.front]
    best = tested(record.best) if record.best else None
    return record.model_copy(update={"best": best, "front": tuple(front)})


class _Progress:
    """Shows and draws verdicts: a scalar per quantity, the best so far, and the failures."""

    def __init__(self, plan: StrategyPlan, callbacks: Callbacks, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._plan, self._goals, self._callbacks = plan, plan.parsed_goals(), callbacks
        shutil.rmtree(folder / CURVES, ignore_errors=True)  # a replay writes all of them again
        self._writer = SummaryWriter(str(folder / CURVES))
        self._add: Callable[..., None] = self._writer.add_scalar
        self._best: Entry | None = None
        self._spent, self._failures = 0.0, 0

    def __call__(self, entry: Entry) -> None:
        verdict, goals = entry.verdict, self._goals
        self._spent += verdict.cost.get("evaluations", 0)
        for name, value in verdict.quantities.items():
            self._add(f"strategy/{name}", value, entry.number)
        if goals.is_met(verdict) and (self._best is None or goals.rank(verdict) > goals.rank(self._best.verdict)):
            self._best = entry
        text = ""
        if self._best is not None:
            quantity = goals.goals[0].quantity
            value = self._best.verdict.quantities[quantity]
            self._add(f"strategy/best_{quantity}", value, entry.number)
            text = f"best {quantity} {value:.4g}"
        if verdict.failure:
            self._failures += 1
            self._callbacks.on_message(f"evaluation {entry.number} failed: {verdict.failure}")
        self._add("strategy/failures", self._failures, entry.number)
        if self._plan.evaluations:
            total = int(self._plan.evaluations)
            self._callbacks.progress.advance("search", min(int(self._spent), total), total, text)

    def close(self) -> None:
        self._writer.close()
