"""What all requests share: frozen, checked on entry, and written as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError

from latkit._io import one_line
from latkit.devices import BenchmarkTool, Cooling, Device, benchmark_tool, cores_of
from latkit.devices.android.benchmark_model import check_takes_tool
from latkit.errors import UsageError
from latkit.spaces import Space, load
from latkit.spaces.registry import space_of
from latkit.targets import Target
from latkit.timing import TimingPlan
from latkit.workspace.profiling.target_session import MeasureOptions

MAX_DRAWN = 100_000
"""Networks, ops or kernels that one command draws: they are drawn before the first is measured."""


def _target(value: Target | str) -> Target:
    return Target.parse(value) if isinstance(value, str) else value


def _space(value: Space | str | Mapping[str, Any]) -> Space:
    if isinstance(value, Mapping):
        return space_of(value)
    return load(value) if isinstance(value, str) else value


TargetField = Annotated[Target, PlainValidator(_target), PlainSerializer(str)]
"""A target, or its name such as `pi4/tflite-t4`."""

SpaceField = Annotated[Space, PlainValidator(_space), PlainSerializer(lambda space: space.to_json())]
"""A space, or the name of a built-in one or of a TOML file, or a document of `Space.to_json`."""

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of an ONNX file's inputs, by name."""

Seconds = Annotated[float, Field(ge=0)]
"""Infinite where there is no bound."""

PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A latency to reach."""


class Request(BaseModel):
    """What a verb is asked to do. Wrong values raise UsageError, which names the field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise UsageError(_first(error, type(self).__name__)) from error


def _first(error: ValidationError, request: str) -> str:
    """The first wrong field, in one line; what is wrong with several of them together names none."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    message = "unknown field" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    return one_line(f"{request}: {field}: {message}" if field else message)


class Tool(Request):
    """TensorFlow Lite's benchmark tool, which measures instead of latkit's agent."""

    path: Path
    flags: tuple[str, ...] = ()
    """Such as `use_gpu=true`."""


class MeasureRequest(Request):
    """What all requests share that may measure on a device."""

    wait_s: Seconds = 0.0
    """How long to wait for a device that is in use."""
    benchmark_tool: Tool | None = None

    def tool(self, targets: Sequence[Target]) -> BenchmarkTool | None:
        """The tool that measures on these targets. Raises UsageError for a runtime that it does not run."""
        if self.benchmark_tool is None:
            return None
        for target in targets:
            check_takes_tool(target, "--benchmark-tool")
        return benchmark_tool(self.benchmark_tool.path, self.benchmark_tool.flags)


class PlannedRequest(MeasureRequest):
    """What requests share whose rounds are planned."""

    rounds: int = 6
    """Short rounds per op or network, spread over time."""
    round_s: float = 0.2
    extra_rounds: int = 6
    """Rounds more for what has not converged."""
    max_seconds: Annotated[float, Field(gt=0)] | None = None
    """When to stop measuring."""

    @property
    def plan(self) -> TimingPlan:
        """How workloads are timed."""
        return TimingPlan(self.rounds, self.round_s, extra_rounds=self.extra_rounds)


class CollectRequest(PlannedRequest):
    """Measure what targets still lack of a space, of kernels in general, or of model files."""

    targets: Annotated[tuple[TargetField, ...], Field(min_length=1)]
    space: SpaceField | None = None
    networks: Annotated[int, Field(ge=0, le=MAX_DRAWN)] = 10
    """Networks of the space to measure for the calibration."""
    ops: Annotated[int, Field(ge=0, le=MAX_DRAWN)] = 0
    """Ops beyond the space, chosen where an XGBoost model errs."""
    sources: tuple[TargetField, ...] = ()
    """Targets that were collected before: then only the most informative networks are measured."""
    kernels: Annotated[int, Field(ge=1, le=MAX_DRAWN)] | None = None
    """How many kernels of external networks."""
    models: tuple[Path, ...] = ()
    """ONNX or TFLite files, whose own kernels are measured, and their networks as a whole."""
    shapes: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    cores: str | None = None
    """Cores to pin to, such as `0-3` or `big`."""
    max_celsius: float | None = None
    rebaseline: bool = False
    """Measure everything again: the device has changed its speed for good."""

    def __init__(self, *, model: Path | str | None = None, **fields: Any) -> None:
        # `model`: how an earlier version was given its only file
        super().__init__(**fields if model is None else {"models": (model,), **fields})

    @property
    def subject(self) -> str:
        """What is collected, in short."""
        if self.space is not None:
            return self.space.name
        return ", ".join(model.name for model in self.models) or "kernels"

    def options(self, device: Device, tool: BenchmarkTool | None) -> MeasureOptions:
        """How a target of this device is measured. Raises UsageError for cores that it lacks."""
        return MeasureOptions(
            self.plan,
            self.wait_s,
            cores_of(device, self.cores) if self.cores else (),
            Cooling(self.max_celsius),
            self.rebaseline,
            tool,
        )
