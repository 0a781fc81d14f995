"""The verb `reproduce`: a finished search runs again from its recipe."""

from __future__ import annotations

from pathlib import Path

from latkit.errors import UsageError
from latkit.layout import Folders
from latkit.layout.series import SERIES_FILE, Series
from latkit.progress import SILENT, Callbacks
from latkit.search import DataSplit, Recipe, load_data, load_network
from latkit.search.evaluators import EVALUATORS, Evaluator
from latkit.search.records.base import load_record
from latkit.search.records.reproduce import Reproduction, Supplied, reproduce_search, reproduce_strategy
from latkit.search.records.result import FILES
from latkit.search.records.strategy import HISTORY_FILE, STRATEGY_FILE, StrategyRecord
from latkit.search.training.runtime_env import is_first_process
from latkit.workspace.requests.search import ReproduceRequest
from latkit.workspace.searches.benchmark_search import bounded


def reproduce(folders: Folders, request: ReproduceRequest, callbacks: Callbacks) -> Reproduction:
    """Run the search again, and compare both. Raises as `reproduce_search` does, UsageError for a series."""
    teacher = load_network(folders.search_dir(request.teacher)) if request.teacher else None
    folders.check_search(request.name)
    original = folders.search_dir(request.name)
    folder = folders.search_dir(request.again or f"{request.name}-again")
    if (original / SERIES_FILE).exists():
        members = ", ".join(member.name for member in Series.load(original / SERIES_FILE).members)
        raise UsageError(
            f"expected one search to reproduce, but found that {request.name} is several: {members}; name one"
        )
    if (original / HISTORY_FILE).exists() and not (original / FILES["recipe"]).exists():
        return _reproduce_benchmark(original, folder, request, callbacks)
    images = _images(load_record(Recipe, original / FILES["recipe"]), request.data) if request.data else None
    progress = (callbacks if is_first_process() else SILENT).progress
    return reproduce_search(original, folder, Supplied(images, teacher), progress, resume=request.resume)


def _reproduce_benchmark(original: Path, folder: Path, request: ReproduceRequest, callbacks: Callbacks) -> Reproduction:
    """Replay a search on a benchmark; with the folder of its tables, everything is looked up again."""
    if not (original / STRATEGY_FILE).exists():
        raise UsageError(
            f"{original}: expected a finished search to repeat, but found an unfinished one; resume it first"
        )
    table: Evaluator | None = None
    if request.data is not None:
        plan = load_record(StrategyRecord, original / STRATEGY_FILE).plan
        _, found = EVALUATORS.get(plan.evaluator).build(request.data)
        table = bounded(found, plan.parsed_goals())
    return reproduce_strategy(original, folder, table, callbacks, request.resume)


def _images(recipe: Recipe, source: str) -> DataSplit:
    channels, resolution, _ = recipe.data.shape
    return load_data(source, resolution, channels)
