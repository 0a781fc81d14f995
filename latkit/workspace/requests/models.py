"""Requests about latency models: fitted, validated, and used for predictions and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from latkit.workspace.requests.base import MAX_DRAWN, PlannedRequest, Request, SpaceField, TargetField


class FitRequest(Request):
    """Fit the latency models of a target on its measurements."""

    target: TargetField
    space: SpaceField | None = None
    """Use this space's ops and networks alone, and require all of its ops."""
    sources: tuple[TargetField, ...] = ()
    """Targets to learn from: then a transfer model is fitted, and no other."""
    estimator: str | None = None
    """How samples become a latency; by default the one that suits them."""


class ValidateRequest(PlannedRequest):
    """Measure networks that a model has not seen, each twice, and compare them with their predictions."""

    target: TargetField
    space: SpaceField
    networks: Annotated[int, Field(ge=2, le=MAX_DRAWN)] = 20
    model: str = "lookup"
    seed: int = 0
    """Determines which networks are drawn."""
    drift_networks: Annotated[int, Field(ge=0, le=MAX_DRAWN)] = 0
    """Networks of the calibration that are measured again among them, to find the device's drift since."""


class PredictRequest(Request):
    """Predict the latency of a network."""

    target: TargetField
    network: Path
    """A network's JSON file, or an ONNX file."""
    model: str = "lookup"
    shapes: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """Shapes of an ONNX file's inputs, by name."""


class ExportTableRequest(Request):
    """Write the latency table of a space on a target."""

    target: TargetField
    space: SpaceField
    output: Path
    """Ends in .json, .safetensors or .yaml (ProxylessNAS's keys)."""
    model: str = "lookup"


class ImportTableRequest(Request):
    """Save a published latency table as a target's look-up model."""

    file: Path
    target: TargetField
