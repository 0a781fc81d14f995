"""The verb `fit`: every model that a target's measurements allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latkit.errors import LatkitError, UsageError
from latkit.graphs import Graph
from latkit.latency_models import AdditiveModel, KernelModel, OpModel, TransferModel, model_kinds
from latkit.latency_models.calibration.model import CurvePoint
from latkit.measurements import Selection
from latkit.ops import OVERHEAD_PROBE
from latkit.spaces import Space
from latkit.targets import Target
from latkit.timing import Workload
from latkit.workspace.models.fitting import ModelFitting
from latkit.workspace.requests.models import FitRequest

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fits:
    """The models that one request fitted."""

    target: Target
    space: Space | None
    selection: Selection
    """The measurements that were used, and those left out."""
    models: Mapping[str, AdditiveModel]
    """By kind: models of ops."""
    rows: tuple[Row, ...]
    """The figures of every model, kernels included."""
    refitted: Mapping[str, Mapping[str, LatkitError | None]] = field(default_factory=dict)
    """By kind and space: None for a model that was fitted too, or why it was left unchanged."""

    @property
    def curves(self) -> dict[str, tuple[CurvePoint, ...]]:
        """Each model's error on networks left out of the calibration, by their number."""
        return {kind: tuple(model.calibration_.curve) for kind, model in self.models.items()}


def fit(workspace: ModelFitting, request: FitRequest) -> Fits:
    """Fit the models of ops, of kernels where those were measured; or with sources, a transfer model.

    Raises NotMeasured, and UsageError for sources without a space.
    """
    if request.sources:
        return _fit_transfer(workspace, request)
    target, space = request.target, request.space
    selection = workspace.selection(target, space)
    has_kernels = workspace.fusion_path(target).exists() and not space
    kinds = (
        () if has_kernels and not any(_fits_lookup(m.workload) for m in selection.used) else tuple(model_kinds(OpModel))
    )
    models: dict[str, AdditiveModel] = {}
    refitted: dict[str, Mapping[str, LatkitError | None]] = {}
    for kind in kinds:
        models[kind] = workspace.fit_model(target, space, kind, request.estimator)
        if space is None:
            refitted[kind] = workspace.fit_spaces(target, kind, request.estimator)
    rows = [_row(model, selection, workspace.model_path(target, kind, space)) for kind, model in models.items()]
    if has_kernels:
        kernels = workspace.fit_kernels(target, request.estimator)
        rows.append(_kernels_row(kernels, len(selection.left_out), workspace.kernel_model_path(target)))
    return Fits(target, space, selection, models, tuple(rows), refitted)


def _fit_transfer(workspace: ModelFitting, request: FitRequest) -> Fits:
    """A transfer model: a few networks measured on the target, and all that the sources know of the space."""
    if request.space is None:
        raise UsageError("expected --space beside --from, whose ops are to be inferred, but found none")
    model = workspace.fit_from(request.target, request.sources, request.space, request.estimator)
    selection = workspace.selection(request.target, request.space)
    row = _transfer_row(model, workspace.model_path(request.target, model.kind, request.space))
    return Fits(request.target, request.space, selection, {model.kind: model}, (row,))


def _fits_lookup(workload: Workload) -> bool:
    """Whether a look-up model can be fitted on it: an op or a network of latkit's, and not only the overhead."""
    return not isinstance(workload, Graph) and workload != OVERHEAD_PROBE


def _row(model: AdditiveModel, selection: Selection, path: Path) -> Row:
    calibration = model.calibration_
    error = calibration.relative_error
    return {
        "model": model.kind,
        "estimator": model.origin_.estimator,
        "measurements": len(selection.used),
        "left_out": len(selection.left_out),
        "fixed_us": 1e6 * calibration.base_s,
        "scale": calibration.scale,
        "networks": calibration.networks,
        "error_percent": None if error is None else 100 * error,
        "file": str(path),
    }


def _kernels_row(model: KernelModel, left_out: int, path: Path) -> Row:
    calibration = model.calibration_
    return {
        "model": "kernels",
        "estimator": model.origin_.estimator,
        "measurements": len(model.measured_),
        "left_out": left_out,
        "fixed_us": 1e6 * model.fixed_s_,
        "scale": calibration.scale,
        "networks": calibration.networks,
        "error_percent": 100 * calibration.predicted_error,
        "file": str(path),
    }


def _transfer_row(model: TransferModel, path: Path) -> dict[str, Any]:
    calibration = model.calibration_
    assert calibration.relative_error is not None
    return {
        "model": model.kind,
        "sources": list(model.sources_),
        "ops": len(model.ops_),
        "fixed_us": 1e6 * calibration.base_s,
        "networks": calibration.networks,
        "error_percent": 100 * calibration.relative_error,
        "file": str(path),
    }
