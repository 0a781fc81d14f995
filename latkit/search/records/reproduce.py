"""Repeat a finished search from its recipe, and compare both bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import equal

from latkit._io import load_json
from latkit.errors import BadFile, UsageError
from latkit.progress import SILENT, Callbacks, Progress, Silent
from latkit.search.data import DataSplit, load_data
from latkit.search.evaluators import Evaluator
from latkit.search.objectives.constraints import CONSTRAINTS_FILE, load_constraints
from latkit.search.records.base import load_record
from latkit.search.records.problem import Problem
from latkit.search.records.recipe import DataFacts
from latkit.search.records.replay import RecordedEvaluator, replay_strategy, strategy_differences
from latkit.search.records.result import FILES, ConstraintFacts, Recipe, SearchResult, table_hash
from latkit.search.run import run_search
from latkit.search.run_strategy_search import run_strategy_search
from latkit.search.strategy_run import RunOptions
from latkit.search.training.runtime_env import threads
from latkit.search.training.trained_network import TrainedNetwork, load_weights
from latkit.spaces import ChainSpace
from latkit.tables import LatencyTable

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, slots=True)
class Reproduction:
    """Comparison of a repeated search with the original."""

    folder: Path
    figures: Mapping[str, float]
    """What was found: the score by the name of the task's metric, or the quantities of the best."""
    compared: tuple[str, ...]
    """What was compared, such as architecture, score, history and weights."""
    differing: tuple[str, ...]
    """Of these, those that are not equal bit for bit."""
    circumstances: tuple[str, ...]
    """Differences of environment: versions, threads, processes, machine; each with the original and the new value."""

    @property
    def equal(self) -> bool:
        """Whether all results are equal, bit for bit."""
        return not self.differing


@dataclass(frozen=True, slots=True)
class Supplied:
    """Inputs of a search that its recipe names but does not hold."""

    data: DataSplit | None = None
    """Required only where `load_data` cannot load the images again."""
    teacher: TrainedNetwork | None = None
    """Required where the original search had one."""


def reproduce_search(
    original: Path,
    folder: Path,
    supplied: Supplied = Supplied(),
    progress: Progress | None = None,
    fabric: Fabric | None = None,
    resume: bool = False,
) -> Reproduction:
    """Repeat the search of `original` under `folder`, with its recipe, its space and its tables, and compare.

    The number of threads is that of the original. A strategy receives the verdicts of its history: nothing is evaluated
    again but the network that was found. `resume`: continue an interrupted repetition.

    Raises UsageError where the search is not finished or the data has changed, and what `run_search` raises. With
    several processes, all must see both folders.
    """
    recipe = load_record(Recipe, original / FILES["recipe"])
    if not (original / FILES["result"]).exists():
        raise UsageError(
            f"{original}: expected a finished search to repeat, but found an unfinished one; resume it first"
        )
    problem = _problem(original, recipe, supplied)
    with _threads(recipe):
        if problem.strategy is None:
            result = run_search(problem, folder, progress, resume, fabric)
        else:
            options = RunOptions(Callbacks(progress or Silent()))
            result = run_strategy_search(problem, RecordedEvaluator(original), folder, options, resume)
    again = load_record(Recipe, folder / FILES["recipe"])
    differing = differences(original, folder)
    compared: tuple[str, ...] = ("architecture", result.metric.title, "history", "weights")
    if problem.strategy is not None:
        compared, differing = ("verdicts", *compared), (*strategy_differences(original, folder), *differing)
    figures = {result.metric.name: result.score}
    return Reproduction(folder, figures, compared, differing, _circumstances(recipe, again))


def reproduce_strategy(
    original: Path,
    folder: Path,
    evaluator: Evaluator | None = None,
    callbacks: Callbacks = SILENT,
    resume: bool = False,
) -> Reproduction:
    """Repeat a search by a strategy on a benchmark under `folder`, and compare.

    `evaluator`: the table, to look everything up again; by default the strategy receives the verdicts of the history.
    Raises as `replay_strategy` does.
    """
    record = replay_strategy(original, folder, evaluator, resume, callbacks)
    figures = dict(record.best.quantities) if record.best else {}
    return Reproduction(folder, figures, ("verdicts", "best", "front"), strategy_differences(original, folder), ())


def _problem(original: Path, recipe: Recipe, supplied: Supplied) -> Problem:
    """The inputs of a finished search, read from its folder. Raises BadFile, UsageError where they are not its own."""
    space, table = ChainSpace.load(original / FILES["space"]), LatencyTable.load(original / FILES["table"])
    if space.key != recipe.space_key:
        raise BadFile(original / FILES["space"], "the space of the search's recipe", "another one")
    if table_hash(table) != recipe.table_sha256:
        raise BadFile(original / FILES["table"], "the table of the search's recipe", "another one")
    teacher = supplied.teacher
    if recipe.teacher != (teacher.facts if teacher else None):
        raise UsageError(f"{original}: expected the teacher that its recipe names, but found {_named(teacher)}")
    constraints = load_constraints(original / CONSTRAINTS_FILE, space)
    if {constraint.name: ConstraintFacts.of(constraint) for constraint in constraints} != recipe.constraints:
        raise BadFile(original / CONSTRAINTS_FILE, "the constraints of the search's recipe", "others")
    if recipe.started_from:
        raise UsageError(
            f"expected a search that began with weights drawn at random, but found one that began with those of a "
            f"supernet ({recipe.started_from[:12]}); search again with --start-from"
        )
    images = supplied.data or _images(recipe)
    _check_data(recipe, images)
    target_s, settings = recipe.target_latency_s, recipe.settings
    return Problem(space, table, images, target_s, settings, teacher, constraints, recipe.strategy)


def _named(teacher: TrainedNetwork | None) -> str:
    return "none; give it" if teacher is None else f"another one of weights {teacher.facts.weights_sha256[:12]}..."


def _images(recipe: Recipe) -> DataSplit:
    if not recipe.data.source:
        raise UsageError(f"the recipe does not say where data {recipe.data.name} comes from; give the data")
    channels, resolution, _ = recipe.data.shape
    return load_data(recipe.data.source, resolution, channels)


def _check_data(recipe: Recipe, data: DataSplit) -> None:
    expected, found = (facts.model_dump(exclude={"source"}) for facts in (recipe.data, DataFacts.of(data)))
    for name, value in expected.items():
        if found[name] != value:
            raise UsageError(
                f"data {data.name}: expected {name} to be {value!r} as in the recipe of the search, "
                f"but found {found[name]!r}; the images or their labels are not what they were: give those of then"
            )


@contextmanager
def _threads(recipe: Recipe) -> Iterator[None]:
    count = recipe.machine.get("threads", "")
    with threads(int(count)) if count.isdigit() else nullcontext():
        yield


def differences(one: Path, other: Path) -> tuple[str, ...]:
    """The results in which two finished searches differ, bit for bit: `architecture`, the metric, `history`,
    `weights`."""
    first, second = (load_record(SearchResult, folder / FILES["result"]) for folder in (one, other))
    histories = [load_json(folder / FILES["history"], "the history of a search") for folder in (one, other)]
    weights = [load_weights(folder / FILES["weights"]) for folder in (one, other)]
    same_weights = weights[0].keys() == weights[1].keys() and all(
        equal(value, weights[1][name]) for name, value in weights[0].items()
    )
    found = {
        "architecture": first.architecture == second.architecture,
        first.metric.title: first.score == second.score,
        "history": histories[0] == histories[1],
        "weights": same_weights,
    }
    return tuple(name for name, same in found.items() if not same)


def _circumstances(then: Recipe, now: Recipe) -> tuple[str, ...]:
    return (
        *_changes("version of ", then.versions, now.versions),
        *_changes("", then.machine, now.machine),
        *(f"on the way, {change}" for machine in then.went_on for change in _changes("", then.machine, machine)),
    )


def _changes(kind: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name):
            yield f"{kind}{name}: {then.get(name, 'unknown')} then, {now.get(name, 'unknown')} now"
