"""A search by a strategy in a workspace: its goals, its evaluator, and latencies measured where they are unsure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from latkit.errors import UsageError
from latkit.evaluation.validation import measured_seconds
from latkit.latency_models import AdditiveModel, LatencyModel
from latkit.search import SearchResult
from latkit.search.cluster import connected
from latkit.search.evaluators import EVALUATORS, Evaluator
from latkit.search.evaluators.cheap_first import CheapFirst
from latkit.search.evaluators.measure_unsure import Measure, MeasureUnsure
from latkit.search.evaluators.predicted import PredictedEvaluator, seconds_of
from latkit.search.evaluators.trained import TrainedEvaluator
from latkit.search.evaluators.verdict import Verdict
from latkit.search.goals import Goal, Goals
from latkit.search.records.problem import Problem
from latkit.search.records.strategy import StrategyPlan
from latkit.search.run_strategy_search import run_strategy_search
from latkit.search.strategy_run import RunOptions, planned_strategy
from latkit.spaces.base import Architecture, Space
from latkit.targets import Target
from latkit.workspace.models.fitting import pinned_as
from latkit.workspace.profiling.target_session import MeasureOptions, MeasuringWorkspace
from latkit.workspace.searches.baselines import NetworkTimer
from latkit.workspace.searches.search_job import SearchJob

CONSTRAINED = {"params": "parameters"}
"""Constraints that evaluators name otherwise."""
MIN_LEASE_WAIT_S = 3600.0
"""How long a worker waits for a device that another worker measures on."""


def plan_of(plan: StrategyPlan, problem: Problem) -> StrategyPlan:
    """The plan with the goals of a search: its metric, its target latency, its constraints, and those of the plan."""
    metric = problem.task.metric
    own = [f"seconds<={problem.target_s!r}"]
    for constraint in problem.constraints:
        name = CONSTRAINED.get(constraint.name, constraint.name)
        own.append(f"{seconds_of(name) if '/' in name else name}<={constraint.max_value!r}")
    given = Goals.parse(*plan.goals).texts if any(":" in text for text in plan.goals) else None
    goals = given or (str(Goal(metric.name, metric.larger_is_better)), *plan.goals)
    return plan.model_copy(update={"goals": tuple(dict.fromkeys((*goals, *own)))})


def search_by_strategy(
    timer: NetworkTimer, job: SearchJob, problem: Problem, folder: Path, resume: bool
) -> SearchResult:
    """Search by the plan of a problem, and train the best. Raises as `run_strategy_search` and `connected` do."""
    assert problem.strategy is not None
    evaluator = evaluator_of(timer, job, problem)
    planned_strategy(problem.strategy, problem.space, evaluator.efforts)  # an error before anything is written
    Goals.parse(*problem.strategy.goals).check(evaluator.quantities)
    options = RunOptions(timer.callbacks, job.workers, job.cluster)
    with connected(job.cluster):
        return run_strategy_search(problem, evaluator, folder, options, resume)


def evaluator_of(timer: NetworkTimer, job: SearchJob, problem: Problem) -> Evaluator:
    """The evaluator of a search: predicted quantities first, measured where unsure, then the costly ones."""
    plan = problem.strategy
    assert plan is not None
    goals = Goals.parse(*plan.goals)
    models: dict[str, LatencyModel] = {"": timer.model}
    for constraint in problem.constraints:
        if "/" in constraint.name:
            models[constraint.name] = timer.workspace.model(Target.parse(constraint.name), job.kind, problem.space)
    cheap: Evaluator = PredictedEvaluator(problem.space, models)
    if plan.measure_unsure:
        targets = {"": str(timer.target)} | {name: name for name in models if name}
        cheap = MeasureUnsure(cheap, goals, _measure_of(DeviceTimer.of(timer, job, problem.space, targets), job))
    name, _, argument = plan.evaluator.partition(":")
    if name == "predicted":
        return Charged(cheap)
    if name == "trained":
        trained = TrainedEvaluator(problem.space, problem.data, problem.settings, _epochs(argument, job))
        return CheapFirst(cheap, trained, goals)
    space, costly = EVALUATORS.get(name).build(timer.workspace.root / argument if argument else argument)
    if space.key != problem.space.key:
        raise UsageError(f"evaluator {name}: expected space {problem.space.name}, but found another one, {space.name}")
    return CheapFirst(cheap, costly, goals)


def _measure_of(timer: DeviceTimer, job: SearchJob) -> Measure:
    """Measures from here; also where evaluations run on a cluster."""
    if job.cluster is None:
        return timer
    from latkit.search.cluster import MeasureOnHost

    return MeasureOnHost(timer, job.cluster)


def _epochs(text: str, job: SearchJob) -> list[int]:
    """The epochs of trained evaluations; by default a quarter of the training's. Raises UsageError."""
    if not text:
        return [max(math.ceil(job.settings.training_epochs / 4), 1)]
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"expected an evaluator such as trained:4 or trained:1,3,9, but found trained:{text}")
    return [int(part) for part in parts]


class Charged(Evaluator):
    """Counts each verdict of another evaluator as one evaluation, so that a budget ends the search."""

    def __init__(self, free: Evaluator) -> None:
        self.name, self.efforts, self._free = free.name, free.efforts, free

    @property
    def quantities(self) -> tuple[str, ...]:
        """Those of the other."""
        return self._free.quantities

    def judge(self, architectures: Sequence[Architecture], effort: float | None = None) -> list[Verdict]:
        """See `Evaluator`."""
        verdicts = self._free.judge(architectures, effort)
        return [replace(one, cost={**one.cost, "evaluations": 1.0}) for one in verdicts]


@dataclass(frozen=True)
class DeviceTimer:
    """Measures architectures on the devices of a workspace; every call leases the device. It can be pickled."""

    root: Path
    space: Space
    targets: Mapping[str, str]
    """By the name that quantities have, such as `seconds.NAME`."""
    kind: str
    cores: tuple[int, ...]
    wait_s: float

    @classmethod
    def of(cls, timer: NetworkTimer, job: SearchJob, space: Space, targets: Mapping[str, str]) -> DeviceTimer:
        """For a search. Raises UsageError for one that measures with a tool."""
        if job.tool is not None:
            raise UsageError("expected latkit's agent to measure during a search, but found --benchmark-tool")
        wait_s = max(job.wait_s, MIN_LEASE_WAIT_S)
        return cls(timer.workspace.root.resolve(), space, targets, job.kind, pinned_as(timer.model), wait_s)

    def __call__(self, quantity: str, architecture: Architecture) -> float:
        """Seconds on the target of a quantity."""
        workspace = MeasuringWorkspace(self.root)
        target = Target.parse(self.targets[quantity.removeprefix("seconds").removeprefix(".")])
        model = workspace.model(target, self.kind, self.space)
        assert isinstance(model, AdditiveModel)
        with workspace.collection(target, MeasureOptions(wait_s=self.wait_s, cores=self.cores)) as collection:
            return measured_seconds(collection, model, self.space.decode(architecture))
