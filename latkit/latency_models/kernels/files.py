"""Files of kernel models; the trees are in XGBoost's own JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from latkit.latency_models.bounds import MAX_SECONDS, RelativeError, Seconds, SecondsAboveZero, SecondsPerUnit
from latkit.latency_models.kernels.adjacency import Neighbors, PairTiming, Savings
from latkit.latency_models.kernels.calibration import NetworkCalibration
from latkit.latency_models.kernels.regression import AnchorModel
from latkit.latency_models.kernels.shapes import SHAPES
from latkit.latency_models.trees.residual_trees import TreesEntry
from latkit.timing import Environment

FORMAT: Literal["latkit-kernels-3"] = "latkit-kernels-3"

ROOFLINE = 9
"""Terms of a kernel's roofline."""

Name = Annotated[str, Field(max_length=200)]
Terms = Annotated[list[Annotated[float, Field(ge=0, le=1e30)]], Field(min_length=ROOFLINE, max_length=ROOFLINE)]

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, populate_by_name=True)


def _named(name: str) -> Any:
    """A field that has another name in files of this format."""
    return Field(validation_alias=name, serialization_alias=name)


class Anchor(BaseModel):
    """The model of one anchor's kernels."""

    model_config = _STRICT
    light_kinds: list[Name]
    lows: Terms
    highs: Terms
    baseline: list[SecondsPerUnit] = Field(min_length=ROOFLINE, max_length=ROOFLINE)
    bound: list[SecondsPerUnit] = Field(default=[0.0] * ROOFLINE, min_length=ROOFLINE, max_length=ROOFLINE)
    """Absent in files of version 0.1."""
    relative_error: RelativeError
    trees: TreesEntry | None


class _Pair(BaseModel):
    model_config = _STRICT
    elements: int = Field(ge=1, le=2**53)
    saved_s: float = Field(ge=-MAX_SECONDS, le=MAX_SECONDS)
    separate_s: SecondsAboveZero = _named("alone_s")


class Saving(BaseModel):
    """Timed pairs of one kind of neighbors."""

    model_config = _STRICT
    producer: str = _named("giver")
    consumer: str = _named("taker")
    shared: bool
    pairs: list[_Pair]


class KernelFile(BaseModel):
    """A file of a kernel model."""

    model_config = _STRICT
    format: Literal["latkit-kernels-3"] = FORMAT
    kind: Literal["kernels"] = "kernels"
    target: str
    environment: Environment = Field(alias="setup")
    estimator: str
    reference_s: SecondsAboveZero
    network_keys: list[str]
    fixed_s: Seconds
    rules: list[tuple[str, str]]
    unmeasurable: list[Name] = []
    """Absent in earlier files."""
    measured: dict[str, SecondsAboveZero]
    anchors: dict[str, Anchor]
    savings: list[Saving]
    calibration: NetworkCalibration

    @field_validator("calibration")
    @classmethod
    def _in_range(cls, calibration: NetworkCalibration) -> NetworkCalibration:
        for name, value in asdict(calibration).items():
            if isinstance(value, int | float) and not 0 <= value <= MAX_SECONDS:
                raise ValueError(f"{name} out of range")
        return calibration


def saving_entries(savings: Savings) -> list[Saving]:
    """The entries of all timed pairs of neighbors."""
    return [
        Saving(producer=producer, consumer=consumer, shared=shared, pairs=[_Pair(**asdict(pair)) for pair in timings])
        for (producer, consumer, shared), timings in sorted(savings.items())
    ]


def savings_of(entries: Sequence[Saving]) -> dict[Neighbors, tuple[PairTiming, ...]]:
    """All timed pairs of neighbors from their entries."""
    return {
        (entry.producer, entry.consumer, entry.shared): tuple(PairTiming(**dict(pair)) for pair in entry.pairs)
        for entry in entries
    }


def anchor_entry(anchor: AnchorModel) -> Anchor:
    """The entry of one anchor's model."""
    trees = anchor.trees
    return Anchor(
        light_kinds=list(anchor.light_kinds),
        lows=anchor.lows.tolist(),
        highs=anchor.highs.tolist(),
        baseline=anchor.baseline.tolist(),
        bound=anchor.bound.tolist(),
        relative_error=anchor.relative_error,
        trees=None if trees is None else TreesEntry.of(trees),
    )


def anchor_of(entry: Anchor) -> AnchorModel:
    """One anchor's model from its entry. Raises UsageError and pydantic's ValidationError."""
    light_kinds = tuple(entry.light_kinds)
    return AnchorModel(
        light_kinds,
        np.array(entry.lows),
        np.array(entry.highs),
        np.array(entry.baseline),
        np.array(entry.bound),
        None if entry.trees is None else entry.trees.model(ROOFLINE, ROOFLINE + SHAPES + len(light_kinds)),
        entry.relative_error,
    )
