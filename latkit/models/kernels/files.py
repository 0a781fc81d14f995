"""Kernel models as JSON files; the trees in XGBoost's own JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from latkit._io import write_text
from latkit.errors import BadFile, UsageError
from latkit.models.base import Origin
from latkit.models.kernels.model import KernelModel, NetworkCalibration
from latkit.models.kernels.regression import AnchorModel
from latkit.models.kernels.savings import Seen
from latkit.models.trees import KindModel, booster_from_json, booster_to_json
from latkit.targets import Target
from latkit.timing import Setup

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Trees(BaseModel):
    model_config = _STRICT
    baseline: list[float]
    errors: list[float]
    booster: dict[str, Any]


class _Anchor(BaseModel):
    model_config = _STRICT
    light_kinds: list[str]
    lows: list[float]
    highs: list[float]
    baseline: list[float]
    relative_error: float = Field(ge=0)
    trees: _Trees | None


class _Saving(BaseModel):
    model_config = _STRICT
    giver: str
    taker: str
    shared: bool
    pairs: list[Seen]


class _KernelFile(BaseModel):
    model_config = _STRICT
    format: Literal["latkit-kernels-2"] = "latkit-kernels-2"
    target: str
    setup: Setup
    estimator: str
    reference_s: float = Field(gt=0)
    network_keys: list[str]
    fixed_s: float = Field(ge=0)
    rules: list[tuple[str, str]]
    measured: dict[str, float]
    anchors: dict[str, _Anchor]
    savings: list[_Saving]
    calibration: NetworkCalibration


def save_kernel_model(model: KernelModel, path: str | os.PathLike[str]) -> None:
    """Write a fitted model as JSON, in one step: a reader never sees half a file."""
    origin = model.origin_
    document = _KernelFile(
        target=str(origin.target),
        setup=origin.setup,
        estimator=origin.estimator,
        reference_s=origin.reference_s,
        network_keys=sorted(origin.network_keys),
        fixed_s=model.fixed_s_,
        rules=sorted(model.rules_),
        measured=model.measured_,
        anchors={name: _anchor_entry(anchor) for name, anchor in model.anchors_.items()},
        savings=[
            _Saving(giver=giver, taker=taker, shared=shared, pairs=list(seen))
            for (giver, taker, shared), seen in sorted(model.savings_.items())
        ],
        calibration=model.calibration_,
    )
    write_text(path, json.dumps(document.model_dump(mode="json")) + "\n")


def load_kernel_model(path: str | os.PathLike[str]) -> KernelModel:
    """Read a model. Raises BadFile."""
    try:
        document = _KernelFile.model_validate_json(Path(path).read_bytes())
        model = KernelModel()
        model.origin_ = Origin(
            Target.parse(document.target),
            document.setup,
            document.estimator,
            document.reference_s,
            frozenset(document.network_keys),
        )
        model.fixed_s_, model.rules_ = document.fixed_s, frozenset(document.rules)
        model.measured_, model.calibration_ = document.measured, document.calibration
        model.anchors_ = {name: _anchor(entry) for name, entry in document.anchors.items()}
        model.savings_ = {(entry.giver, entry.taker, entry.shared): tuple(entry.pairs) for entry in document.savings}
    except (OSError, ValueError, ValidationError, UsageError) as error:
        expected = "a kernel model of this release of latkit (latkit fit makes one)"
        raise BadFile(path, expected, str(error).splitlines()[0]) from error
    return model


def _anchor_entry(anchor: AnchorModel) -> _Anchor:
    trees = anchor.trees
    return _Anchor(
        light_kinds=list(anchor.light_kinds),
        lows=anchor.lows.tolist(),
        highs=anchor.highs.tolist(),
        baseline=anchor.baseline.tolist(),
        relative_error=anchor.relative_error,
        trees=None if trees is None else _trees_entry(trees),
    )


def _trees_entry(trees: KindModel) -> _Trees:
    booster = booster_to_json(trees.booster)
    assert isinstance(booster, dict)
    return _Trees(baseline=trees.baseline.tolist(), errors=trees.errors.tolist(), booster=booster)


def _anchor(entry: _Anchor) -> AnchorModel:
    trees = None
    if entry.trees is not None:
        booster = booster_from_json(entry.trees.booster)
        trees = KindModel(np.array(entry.trees.baseline), booster, np.array(entry.trees.errors))
    return AnchorModel(
        tuple(entry.light_kinds),
        np.array(entry.lows),
        np.array(entry.highs),
        np.array(entry.baseline),
        trees,
        entry.relative_error,
    )
