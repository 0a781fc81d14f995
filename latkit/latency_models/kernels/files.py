"""Kernel models as JSON files; the trees in XGBoost's own JSON."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from latkit._io import load_record, reading, write_text
from latkit.latency_models.base import Origin
from latkit.latency_models.bounds import MAX_SECONDS, RelativeError, Seconds, SecondsAboveZero, SecondsPerUnit
from latkit.latency_models.kernels.adjacency import PairTiming
from latkit.latency_models.kernels.features import SHAPES
from latkit.latency_models.kernels.model import KernelModel, NetworkCalibration
from latkit.latency_models.kernels.regression import AnchorModel
from latkit.latency_models.residual_trees import TreesEntry
from latkit.targets import Target
from latkit.timing import Environment

ROOFLINE = 7
"""Terms of a kernel's roofline."""

Name = Annotated[str, Field(max_length=200)]
Terms = Annotated[list[Annotated[float, Field(ge=0, le=1e30)]], Field(min_length=ROOFLINE, max_length=ROOFLINE)]

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, populate_by_name=True)


def _named(name: str) -> Any:
    """A field that has another name in files of this format."""
    return Field(validation_alias=name, serialization_alias=name)


class _Anchor(BaseModel):
    model_config = _STRICT
    light_kinds: list[Name]
    lows: Terms
    highs: Terms
    baseline: list[SecondsPerUnit] = Field(min_length=ROOFLINE, max_length=ROOFLINE)
    relative_error: RelativeError
    trees: TreesEntry | None


class _Pair(BaseModel):
    model_config = _STRICT
    elements: int = Field(ge=1, le=2**53)
    saved_s: float = Field(ge=-MAX_SECONDS, le=MAX_SECONDS)
    separate_s: SecondsAboveZero = _named("alone_s")


class _Saving(BaseModel):
    model_config = _STRICT
    producer: str = _named("giver")
    consumer: str = _named("taker")
    shared: bool
    pairs: list[_Pair]


class _KernelFile(BaseModel):
    model_config = _STRICT
    format: Literal["latkit-kernels-2"] = "latkit-kernels-2"
    target: str
    environment: Environment = Field(alias="setup")
    estimator: str
    reference_s: SecondsAboveZero
    network_keys: list[str]
    fixed_s: Seconds
    rules: list[tuple[str, str]]
    measured: dict[str, SecondsAboveZero]
    anchors: dict[str, _Anchor]
    savings: list[_Saving]
    calibration: NetworkCalibration

    @field_validator("calibration")
    @classmethod
    def _in_range(cls, calibration: NetworkCalibration) -> NetworkCalibration:
        for name, value in asdict(calibration).items():
            if isinstance(value, int | float) and not 0 <= value <= MAX_SECONDS:
                raise ValueError(f"{name} out of range")
        return calibration


def save_kernel_model(model: KernelModel, path: str | os.PathLike[str]) -> None:
    """Write a fitted model as JSON, atomically."""
    origin = model.origin_
    document = _KernelFile(
        target=str(origin.target),
        setup=origin.environment,
        estimator=origin.estimator,
        reference_s=origin.reference_s,
        network_keys=sorted(origin.network_keys),
        fixed_s=model.fixed_s_,
        rules=sorted(model.rules_),
        measured=model.measured_,
        anchors={name: _anchor_entry(anchor) for name, anchor in model.anchors_.items()},
        savings=[
            _Saving(
                producer=producer, consumer=consumer, shared=shared, pairs=[_Pair(**asdict(pair)) for pair in timings]
            )
            for (producer, consumer, shared), timings in sorted(model.savings_.items())
        ],
        calibration=model.calibration_,
    )
    write_text(path, json.dumps(document.model_dump(mode="json", by_alias=True)) + "\n")


def load_kernel_model(path: str | os.PathLike[str]) -> KernelModel:
    """Read a model. Raises BadFile."""
    expected = "a kernel model of this release of latkit (latkit fit makes one)"
    document = load_record(path, _KernelFile, expected)
    with reading(path, expected):
        model = KernelModel()
        model.origin_ = Origin(
            Target.parse(document.target),
            document.environment,
            document.estimator,
            document.reference_s,
            frozenset(document.network_keys),
        )
        model.fixed_s_, model.rules_ = document.fixed_s, frozenset(document.rules)
        model.measured_, model.calibration_ = document.measured, document.calibration
        model.anchors_ = {name: _anchor(entry) for name, entry in document.anchors.items()}
        model.savings_ = {
            (entry.producer, entry.consumer, entry.shared): tuple(PairTiming(**dict(pair)) for pair in entry.pairs)
            for entry in document.savings
        }
        return model


def _anchor_entry(anchor: AnchorModel) -> _Anchor:
    trees = anchor.trees
    return _Anchor(
        light_kinds=list(anchor.light_kinds),
        lows=anchor.lows.tolist(),
        highs=anchor.highs.tolist(),
        baseline=anchor.baseline.tolist(),
        relative_error=anchor.relative_error,
        trees=None if trees is None else TreesEntry.of(trees),
    )


def _anchor(entry: _Anchor) -> AnchorModel:
    light_kinds = tuple(entry.light_kinds)
    return AnchorModel(
        light_kinds,
        np.array(entry.lows),
        np.array(entry.highs),
        np.array(entry.baseline),
        None if entry.trees is None else entry.trees.model(ROOFLINE, ROOFLINE + SHAPES + len(light_kinds)),
        entry.relative_error,
    )
