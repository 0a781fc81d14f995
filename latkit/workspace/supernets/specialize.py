"""The verb `specialize`: sub-networks of one supernet for many targets and latencies, exported and measured."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latkit import report
from latkit._io import remove_temporary
from latkit.errors import BadFile
from latkit.evaluation.cross_evaluation import Entry, cross_evaluate
from latkit.evaluation.validation import measure_network
from latkit.layout import MEASURED_FILE
from latkit.layout.folders import REPORT_FILE
from latkit.ops import Network
from latkit.progress import Callbacks
from latkit.search import DataSplit
from latkit.search.once_for_all.subnets.candidates import ByStrategy, FindCandidates
from latkit.search.once_for_all.subnets.evaluated import (
    PREDICTOR_FILE,
    PREDICTOR_REPORT_FILE,
    Evaluations,
    fit_predictor,
)
from latkit.search.once_for_all.subnets.expected import ExpectedScore
from latkit.search.once_for_all.subnets.quantized import needs_quantizing
from latkit.search.once_for_all.subnets.score_predictor import PredictorReport
from latkit.search.once_for_all.subnets.specialize import (
    RESULT_FILE,
    SPECIALIZED,
    Specialized,
    SpecializePlan,
    Specializer,
    predictions,
)
from latkit.search.once_for_all.trained import TrainedSupernet, load_supernet
from latkit.search.once_for_all.training.nets import as_elastic
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES, exported_file, exported_files
from latkit.spaces.elastic.arrays import ElasticArrays
from latkit.workspace.compare import Reach
from latkit.workspace.models.fitting import pinned_as
from latkit.workspace.profiling.target_session import MeasureOptions, MeasuringWorkspace
from latkit.workspace.requests.supernet import SpecializeRequest
from latkit.workspace.supernets.specialize_targets import SpecializeTarget, specialize_targets

Found = tuple[Specialized, Path]
"""A result and its folder."""


@dataclass(frozen=True, slots=True)
class SpecializeRun:
    """What one request found."""

    name: str
    metric: str
    found: tuple[Found, ...]
    predictor: PredictorReport | None
    """None where a strategy searched instead of evolution over predictions."""
    seconds: float
    """Of search, evaluation and export: without training the predictor and without measuring."""
    cpu_seconds: float
    """The same in seconds of all threads of this process."""
    report: Path
    """The page."""

    def document(self) -> dict[str, Any]:
        """The figures that the command line prints. Scores are on the test images, random ones on validation images."""
        return {
            "supernet": self.name,
            "targets": [self._row(one, folder) for one, folder in self.found],
            "specialize_seconds": self.seconds,
            "predictor": None if self.predictor is None else self.predictor.model_dump(),
            "report": str(self.report),
        }

    def _row(self, one: Specialized, folder: Path) -> dict[str, Any]:
        return {
            "target": one.target,
            "latency_ms": 1e3 * one.latency_s,
            "predicted_ms": 1e3 * one.predicted_s,
            "measured_ms": None if one.measured_s is None else 1e3 * one.measured_s,
            self.metric: one.test,
            f"validation_{self.metric}": one.validation,
            f"predicted_{self.metric}": one.predicted_score,
            f"random_{self.metric}_mean": one.random_mean,
            f"inherited_{self.metric}": one.inherited_test,
            f"fp32_{self.metric}": one.fp32_test,
            "finetune_epochs": one.finetune_epochs,
            "strategy": one.strategy,
            "architecture": list(one.architecture),
            "notes": list(one.notes),
            "files": {
                **{what: str(folder / FILES[what]) for what in ("architecture", "weights")},
                **{what: str(folder / exported_file(what)) for what in one.exports},
            },
        }


def specialize(
    workspace: MeasuringWorkspace, request: SpecializeRequest, callbacks: Callbacks, data: DataSplit | None = None
) -> SpecializeRun:
    """Everything is in the supernet's folder; what is there for the same weights is not done again.

    Raises NotMeasured for a target that lacks ops of the space, and UsageError for a latency out of reach, before
    anything is evaluated; and as `load_supernet` and `MeasuringWorkspace.collection` do.
    """
    folder = workspace.search_dir(request.name)
    trained = load_supernet(folder, data)
    targets = specialize_targets(workspace, request, as_elastic(trained.space, "specialize"))
    evaluations = Evaluations(folder, trained, trained.judge.metric_and_loss)
    candidates, expected = _candidates(trained, evaluations, request, callbacks, folder)
    specializer = Specializer(trained, evaluations, candidates, _plan(request), callbacks.progress, expected)
    began, cpu_began = time.monotonic(), time.process_time()
    found = _found(specializer, targets, folder / SPECIALIZED)
    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
    if request.measure:
        found = [each for one in targets for each in _measured(workspace, one, found, request, callbacks)]
    if request.cross:
        _measure_cross_table(workspace, request, trained, found, callbacks)
    page = folder / REPORT_FILE
    report.write_report(workspace, request.name, page)
    predictor = expected.fitted.report if expected else None
    return SpecializeRun(request.name, trained.result.metric.name, tuple(found), predictor, seconds, cpu_seconds, page)


def _plan(request: SpecializeRequest) -> SpecializePlan:
    return SpecializePlan(
        seed=request.seed,
        finetune_epochs=request.finetune_epochs,
        strategy=request.strategy,
        strategy_settings=request.strategy_settings,
        evaluations=request.evaluations,
    )


def _candidates(
    trained: TrainedSupernet, evaluations: Evaluations, request: SpecializeRequest, callbacks: Callbacks, folder: Path
) -> tuple[FindCandidates, ExpectedScore | None]:
    """How sub-networks are found and, with a predictor, how the best is chosen."""
    if request.strategy is not None:
        settings = request.strategy_settings
        budget, progress = request.evaluations, callbacks.progress
        return ByStrategy(evaluations, request.strategy, settings, budget, request.seed, progress=progress), None
    fitted = fit_predictor(trained, evaluations, request.evaluations, request.seed, callbacks.progress)
    fitted.predictor.save(folder / PREDICTOR_FILE)
    fitted.report.save(folder / PREDICTOR_REPORT_FILE)
    arrays = ElasticArrays(as_elastic(trained.space, "specialize"))
    expected = ExpectedScore(fitted, arrays, len(trained.judge.parts.validation.labels))
    return predictions(evaluations, fitted.predictor.predict, _plan(request)), expected


def _found(specializer: Specializer, targets: Sequence[SpecializeTarget], folder: Path) -> list[Found]:
    """One sub-network for every target and latency; those of an earlier run are not searched again."""
    requested = [(one, latency_s) for one in targets for latency_s in one.latencies_s]
    found: list[Found] = []
    for one, latency_s in requested:
        place = folder / f"{str(one.target).replace('/', '-')}-{1e3 * latency_s:.6g}ms"
        result = _saved(place, one, latency_s, specializer)
        if result is None:
            _discard(place)
            result = specializer.find(one.table, str(one.target), latency_s, place)
        found.append((result, place))
        text = f"{one.target} at {1e3 * latency_s:.4g} ms"
        specializer.progress.advance("specializing", len(found), len(requested), text)
    return found


def _discard(place: Path) -> None:
    """Remove the result of another search, so that it is not taken for one of the files that will be written, and what
    a command that was killed had not finished writing."""
    remove_temporary(place)
    for name in (RESULT_FILE, MEASURED_FILE, *exported_files(place)):
        (place / name).unlink(missing_ok=True)


def _saved(place: Path, one: SpecializeTarget, latency_s: float, specializer: Specializer) -> Specialized | None:
    """What an earlier run finished with the same weights, latencies and plan."""
    try:
        saved = load_record(Specialized, place / RESULT_FILE) if (place / RESULT_FILE).exists() else None
    except BadFile:
        return None  # written by another version: it is found again
    if saved is None or saved.weights_sha256 != specializer.trained.result.weights_sha256:
        return None
    plan = specializer.plan
    found = saved.target, saved.latency_s, saved.strategy, saved.finetune_epochs
    is_same = found == (str(one.target), latency_s, plan.strategy, plan.finetune_epochs)
    is_same &= saved.search in (None, plan.search)
    is_same &= saved.fp32_test is not None or bool(saved.notes) or not needs_quantizing(one.target)
    return saved if is_same and math.isclose(saved.predicted_s, one.table.total(saved.architecture)) else None


def _measured(
    workspace: MeasuringWorkspace,
    one: SpecializeTarget,
    found: Sequence[Found],
    request: SpecializeRequest,
    callbacks: Callbacks,
) -> Iterator[Found]:
    """The results of a target, with latencies measured on it; those that have one keep it."""
    own = [(result, place) for result, place in found if result.target == str(one.target)]
    if all(result.measured_s is not None for result, _ in own):
        yield from own
        return
    options = MeasureOptions(wait_s=request.wait_s, cores=pinned_as(one.model))
    with workspace.collection(one.target, options, callbacks) as collection:
        for result, place in own:
            measured = result
            if result.measured_s is None:
                network = Network.load(place / FILES["architecture"])
                record = measure_network(collection, one.model, network)
                record.save(place / MEASURED_FILE)
                measured = result.model_copy(update={"measured_s": 1e-3 * record.network.measured_ms})
                measured.save(place / RESULT_FILE)
            yield measured, place


def _measure_cross_table(
    workspace: MeasuringWorkspace,
    request: SpecializeRequest,
    trained: TrainedSupernet,
    found: Sequence[Found],
    callbacks: Callbacks,
) -> None:
    """Measure every network on every target, and save the cross table with the supernet."""
    entries = [
        Entry(
            place.name,
            "derived",
            Network.load(place / FILES["architecture"]),
            one.target,
            one.latency_s,
            one.test,
            trained.recipe.data,
            trained.result.task,
        )
        for one, place in found
    ]
    reach = Reach(workspace, request.model, MeasureOptions(wait_s=request.wait_s), callbacks)
    columns = reach.columns(request.targets, entries)
    cross_evaluate(request.name, entries, columns, callbacks.on_message).save(workspace.search_dir(request.name))
