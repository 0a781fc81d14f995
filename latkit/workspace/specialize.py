"""The verb `specialize`: sub-networks of one supernet for many targets and latencies, exported and measured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latkit._io import write_text
from latkit.errors import BadFile, NotMeasured
from latkit.evaluation.validation import measure_network
from latkit.latency_models import AdditiveModel
from latkit.ops import Network
from latkit.progress import Callbacks
from latkit.search import DataSplit
from latkit.search.once_for_all.accuracy_predictor import PredictorReport
from latkit.search.once_for_all.evaluated import PREDICTOR_FILE, Evaluations, fit_predictor
from latkit.search.once_for_all.records import SUPERNET_FILES
from latkit.search.once_for_all.specialize import RESULT_FILE, Specialized, SpecializePlan, Specializer
from latkit.search.once_for_all.trained import TrainedSupernet, load_supernet
from latkit.search.records.base import load_record
from latkit.search.records.result import FILES
from latkit.spaces import Space
from latkit.tables import ElasticTable
from latkit.targets import Target
from latkit.workspace.measuring import MeasureOptions, MeasuringWorkspace
from latkit.workspace.models import pinned_as
from latkit.workspace.requests.supernet import SpecializeRequest

NAMED_OPS = 20
"""At most this many missing ops are named without --verbose."""


@dataclass(frozen=True, slots=True)
class SpecializeRun:
    """What one request found."""

    name: str
    metric: str
    found: tuple[tuple[Specialized, Path], ...]
    """Results and their folders."""
    report: PredictorReport
    seconds: float
    """Of evolution, evaluation and export: without training the predictor and without measuring."""

    def document(self) -> dict[str, Any]:
        """The figures that the command line prints. Scores are on the test images, random ones on validation images."""
        return {
            "supernet": self.name,
            "targets": [self._row(one, folder) for one, folder in self.found],
            "specialize_seconds": self.seconds,
            "predictor": self.report.model_dump(),
        }

    def _row(self, one: Specialized, folder: Path) -> dict[str, Any]:
        return {
            "target": one.target,
            "latency_ms": 1e3 * one.latency_s,
            "predicted_ms": 1e3 * one.predicted_s,
            "measured_ms": None if one.measured_s is None else 1e3 * one.measured_s,
            self.metric: one.test,
            f"validation_{self.metric}": one.validation,
            f"random_{self.metric}_mean": one.random_mean,
            "architecture": list(one.architecture),
            "notes": list(one.notes),
            "files": {what: str(folder / FILES[what]) for what in ("architecture", "weights", *one.exports)},
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
    models = {target: _model(workspace, target, request, trained.space) for target in dict.fromkeys(request.targets)}
    tables = {target: ElasticTable.of_model(trained.space, model) for target, model in models.items()}
    for target, table in tables.items():
        for latency_s in request.latencies_s:
            table.check_reach(latency_s, f" on {target}")
    evaluations = Evaluations(folder, trained, trained.judge.validation)
    fitted = fit_predictor(trained, evaluations, request.evaluations, request.seed, callbacks.progress)
    fitted.predictor.save(folder / PREDICTOR_FILE)
    specializer = Specializer(trained, evaluations, fitted.predictor.predict, SpecializePlan(seed=request.seed))
    begin, found = time.monotonic(), []
    for target, table in tables.items():
        for latency_s in request.latencies_s:
            place = folder / "specialized" / f"{str(target).replace('/', '-')}-{1e3 * latency_s:.6g}ms"
            saved = _saved(place, trained, target, latency_s)
            found.append((saved or specializer.find(table, str(target), latency_s, place), place))
    seconds = time.monotonic() - begin
    if request.measure:
        found = _measured(workspace, models, found, request.wait_s, callbacks)
    return SpecializeRun(request.name, trained.result.metric.name, tuple(found), fitted.report, seconds)


def _model(workspace: MeasuringWorkspace, target: Target, request: SpecializeRequest, space: Space) -> AdditiveModel:
    """The model of a target. Raises NotMeasured, which names every op that it lacks and what measures them."""
    path = workspace.search_dir(request.name) / SUPERNET_FILES["space"]
    remedy = f"measure with: latkit collect space {target} --space {path}; then: latkit fit {target} --space {path}"
    ops = space.ops()
    try:
        model = workspace.model(target, request.model, space)
    except NotMeasured as error:
        raise NotMeasured(f"{target} lacks the {len(ops)} ops of space {space.name} ({error}); {remedy}") from error
    missing = [op.title for op in ops if not model.knows([op])]
    if not missing:
        return model
    more = f" and {len(missing) - NAMED_OPS} more, which --verbose names" if len(missing) > NAMED_OPS else ""
    named = "; ".join(missing[:NAMED_OPS])
    raise NotMeasured(
        f"{target} lacks {len(missing)} of the {len(ops)} ops of space {space.name}; {remedy}. Missing: {named}{more}"
    ).with_detail("; ".join(missing))


def _saved(place: Path, trained: TrainedSupernet, target: Target, latency_s: float) -> Specialized | None:
    """What an earlier run finished for the same weights."""
    try:
        saved = load_record(Specialized, place / RESULT_FILE) if (place / RESULT_FILE).exists() else None
    except BadFile:
        return None  # written by another version: it is found again
    same = saved is not None and saved.weights_sha256 == trained.result.weights_sha256
    return saved if same and saved and (saved.target, saved.latency_s) == (str(target), latency_s) else None


def _measured(
    workspace: MeasuringWorkspace,
    models: dict[Target, AdditiveModel],
    found: list[tuple[Specialized, Path]],
    wait_s: float,
    callbacks: Callbacks,
) -> list[tuple[Specialized, Path]]:
    """The same with latencies measured on the targets; those that have one keep it."""
    results = []
    for target, model in models.items():
        own = [(one, place) for one, place in found if one.target == str(target)]
        if all(one.measured_s is not None for one, _ in own):
            results += own
            continue
        options = MeasureOptions(wait_s=wait_s, cores=pinned_as(model))
        with workspace.collection(target, options, callbacks) as collection:
            for one, place in own:
                measured = one
                if one.measured_s is None:
                    network = Network.load(place / FILES["architecture"])
                    result = measure_network(collection, model, network)
                    measured = one.model_copy(update={"measured_s": 1e-3 * result.network.measured_ms})
                    write_text(place / RESULT_FILE, measured.model_dump_json(indent=1) + "\n")
                results.append((measured, place))
    return results
