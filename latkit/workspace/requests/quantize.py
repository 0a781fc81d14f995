"""Requests about the precision of a network's ops."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from latkit._io import one_line
from latkit.errors import UsageError
from latkit.search.quantization.records import QuantizeSettings
from latkit.workspace.requests.base import PlannedRequest, TargetField

FinitePositive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class QuantizeRequest(PlannedRequest):
    """Choose the precision of every op of a trained network, under one bound."""

    target: TargetField
    model: str
    """A finished search, or an ONNX file of a chain of convolutions, pools and fully connected layers."""
    latency_ms: FinitePositive | None = None
    size_mb: FinitePositive | None = None
    """Of the weights."""
    energy_mj: FinitePositive | None = None
    """Of one inference. No runtime reports the energy of an op, so it is refused."""
    precisions: tuple[str, ...] = ("fp32", "int8")
    data: str | None = None
    """Where the images are; by default those that the network was trained on."""
    name: str | None = None
    """Folder under `search/`; by default MODEL-quantized."""
    networks: Annotated[int, Field(ge=0)] = 8
    """Policies that are measured as whole networks, to calibrate the prediction."""
    settings: QuantizeSettings = QuantizeSettings()

    @property
    def output_name(self) -> str:
        """The folder under `search/`."""
        return self.name or f"{self.onnx_path.stem if self.onnx_path else self.model}-quantized"

    @property
    def onnx_path(self) -> Path | None:
        """The model as a file; None for a finished search."""
        return Path(self.model) if self.model.endswith(".onnx") else None

    def check_bound(self) -> None:
        """Raise UsageError for a bound on what was not measured."""
        if self.energy_mj is not None:
            raise UsageError(
                f"expected a target whose ops have a measured energy, but {self.target} has only latencies: sensors "
                "give the energy of a whole network; give --latency-ms or --size-mb"
            )

    @field_validator("model")
    @classmethod
    def _is_readable(cls, model: str) -> str:
        if model.endswith((".tflite", ".pt2")):
            found = one_line(model, 200)
            raise ValueError(f"expected a finished search, or an ONNX file of a chain, but found {found}")
        return model

    @model_validator(mode="after")
    def _has_one_bound(self) -> Self:
        if self.energy_mj is not None and self.latency_ms is None and self.size_mb is None:
            return self
        if (self.latency_ms is None) == (self.size_mb is None):
            raise ValueError("expected either a latency or a size as the bound")
        return self
