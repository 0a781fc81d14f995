"""Whole networks that were measured: their latency, which a prediction does not replace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from latkit.artifacts.files import FORMATS, SourceRequest, read_source
from latkit.errors import LatkitError
from latkit.graphs import Graph, ModelFile
from latkit.layout.fitted import FittedModels
from latkit.ops import Network
from latkit.progress import ignore
from latkit.runtimes.onnx.file import Shapes
from latkit.targets import Target
from latkit.timing import Estimate, Measurement, estimate, reference_seconds
from latkit.workspace.external_models import read_for


@dataclass(frozen=True, slots=True)
class MeasuredLatency:
    """The latency of a whole network, measured on a target."""

    latency: Estimate
    source: Literal["workload", "profile"]
    """What was measured: the network with latkit's own weights, or the file itself."""
    at: datetime
    """Time of its last round, in UTC."""


def measured_latency(
    workspace: FittedModels, target: Target, workload: Network | Graph, file: Path
) -> MeasuredLatency | None:
    """The latest measurement of a network, or of its file, in the target's latest environment; None without one.

    The file itself comes before the same network with generated weights.
    """
    if not workspace.has_measurements(target):
        return None
    with workspace.store(target) as store:
        environment = store.latest_environment()
        here = [one for one in store.measurements_of(workload.key) if one.environment == environment]
    as_file = [one for one in here if isinstance(one.workload, ModelFile)]
    if as_file and (model := _model_file(file, workload, target)) is not None:
        as_file = [one for one in as_file if _is_same(one.workload, model)]
    else:
        as_file = []
    found = as_file or [one for one in here if one.workload == workload]
    if not found:
        return None
    latest = max(found, key=_last)
    return MeasuredLatency(
        estimate(latest, reference_seconds([latest])),
        "profile" if as_file else "workload",
        datetime.fromtimestamp(_last(latest), UTC),
    )


def measured_model(workspace: FittedModels, target: Target, file: Path, shapes: Shapes) -> MeasuredLatency | None:
    """The same of a model file on a target. Raises BadFile."""
    return measured_latency(workspace, target, read_for(target, file, shapes, ignore), file)


def _last(measurement: Measurement) -> float:
    return max((one_round.started_at for one_round in measurement.rounds), default=0.0)


def _model_file(file: Path, workload: Network | Graph, target: Target) -> ModelFile | None:
    """The record of the file with inputs of the graph's shapes; None if it cannot be run as it is."""
    if not isinstance(workload, Graph) or file.suffix.lower() not in FORMATS:
        return None
    shapes = {name: one.shape for name, one in zip(workload.input_names, workload.inputs, strict=True)}
    try:
        return read_source(SourceRequest(file, shapes, batch=target.batch)).model
    except LatkitError:
        return None


def _is_same(workload: object, model: ModelFile) -> bool:
    """Whether it is the same file with inputs of the same shapes, whatever their values."""
    if not isinstance(workload, ModelFile) or workload.sha256 != model.sha256:
        return False
    return [one.shape for one in workload.inputs] == [one.shape for one in model.inputs]
