"""Records of a profile: what is requested, and everything that is known about a model file on a target.

A `Profile` is one JSON file. Figures that a device does not report are None, never estimated. Latencies are in
milliseconds, as the field's tools print them; the raw samples are in the store, in nanoseconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from latkit._io import html_card, load_record, one_line_repr, to_polars, write_record
from latkit._io.moments import moment_written
from latkit.devices import BenchmarkTool
from latkit.errors import UsageError
from latkit.graphs import ModelFile
from latkit.targets import Target
from latkit.timing import TimingPlan

EXPECTED = "a profile of a model file"

MAX_INTERVAL_MS = 3_600_000.0
"""Maximum pause between paced runs: one hour."""
DEFAULT_PACED_RUNS = 30
MIN_OP_RUNS, MAX_OP_RUNS, OP_RUNS_S = 30, 300, 0.25
"""Profiled runs of a model: as many as take about this many seconds. Clocks of profilers count whole microseconds."""

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of inputs by name, with their batch."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One model file to profile, and what it is run on."""

    path: Path
    """An `.onnx` or `.tflite` file. External data lies beside it."""
    shapes: Shapes = field(default_factory=dict)
    """Shapes of inputs whose file leaves sizes open. A lone open batch is the target's."""
    inputs: Path | None = None
    """An `.npz` file with one array per input, by name; random values if None."""
    signature: str = ""
    """The signature of a `.tflite` file to run; the first if empty."""


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """What is profiled on one target, and how. The models are timed in interleaved rounds."""

    target: Target
    models: tuple[ModelRequest, ...]
    plan: TimingPlan = field(default_factory=TimingPlan)
    """`plan.rounds` short rounds per model."""
    ops: bool = True
    """Whether the time of each op is taken too, in separate runs."""
    op_runs: int | None = None
    """Number of profiled runs, fewer for a model that takes long; by default 30 to 300, for about a quarter second."""
    intervals_ms: tuple[float, ...] = ()
    """Intervals of paced runs, measured next to the hot ones."""
    paced_runs: int = DEFAULT_PACED_RUNS
    peaks: bool = True
    """Whether the device's peak rates are measured, unless they are saved."""
    energy: bool = True
    """Whether energy is taken where the device has a sensor: about a second per model."""
    cores: tuple[int, ...] = ()
    """Cores to pin to; all if empty."""
    wait_s: float = 0.0
    """How long to wait for a device in use."""
    max_seconds: float | None = None
    """Bound on the timing of the rounds; the profile can be resumed."""
    tool: BenchmarkTool | None = None
    """TensorFlow Lite's benchmark tool, which measures instead of latkit's agent, on inputs of its own."""

    def __post_init__(self) -> None:
        if not self.models:
            raise UsageError("expected at least one model file to profile, but found none")
        if (fewest := min(self.paced_runs, 1 if self.op_runs is None else self.op_runs)) < 1:
            raise UsageError(f"expected at least one run, but found {fewest}")
        for interval_ms in self.intervals_ms:
            if not 0 < interval_ms <= MAX_INTERVAL_MS:
                raise UsageError(
                    f"expected an interval above 0 and up to {MAX_INTERVAL_MS:.0f} ms, but found {interval_ms:g}"
                )

    def profiled_runs(self, run_s: float) -> int:
        """The number of profiled runs of a model whose run takes this many seconds."""
        if self.op_runs is not None:
            return self.op_runs
        return min(max(round(OP_RUNS_S / run_s), MIN_OP_RUNS), MAX_OP_RUNS)


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


def _check_moment(text: str) -> str:
    """Profiles are sorted by their time: a wrong one would always be the latest."""
    datetime.fromisoformat(text)
    return text


def _check_model_file(document: dict[str, object]) -> dict[str, object]:
    try:
        ModelFile.from_json(document)
    except UsageError as error:
        raise ValueError(str(error)) from error
    return document


Milliseconds = Annotated[float, Field(ge=0, le=1e12)]
Latency = Annotated[float, Field(ge=1e-9, le=1e12)]
"""In ms, as it is compared: its logarithm is finite."""
Count = Annotated[int, Field(ge=0, lt=2**63)]
Bytes = Annotated[int, Field(ge=0, lt=2**63)]
Share = Annotated[float, Field(ge=0)]
"""In percent."""


class LatencyStatistics(_Record):
    """Statistics of the wall times of runs, in ms."""

    min: Milliseconds
    p50: Milliseconds
    p90: Milliseconds
    p99: Milliseconds
    mean: Milliseconds
    mean_low: Milliseconds | None = None
    """Bounds of the 90 % interval of the mean: a bootstrap over rounds."""
    mean_high: Milliseconds | None = None
    estimate: Latency | None = None
    """The latency on the idle device, from samples and reference (docs/concepts/measuring.md); None if paced."""
    low: Latency | None = None
    """Bounds of the estimate's 90 % interval."""
    high: Latency | None = None
    runs: Count
    rounds: Count = 0

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"expected bounds in order, but found {self.low:g} to {self.high:g} ms")
        return self


class WarmUp(_Record):
    """The runs before the timed ones, until the times stop falling."""

    runs_per_round: float = Field(ge=0)


class Paced(_Record):
    """Runs with a pause between their beginnings, as in an application that gets a frame now and then."""

    interval_ms: Milliseconds
    latency_ms: LatencyStatistics
    missed: Count = 0
    """Number of runs that began late, because the one before took longer than the interval."""
    hot_ratio: float | None = None
    """The paced median in units of the hot median."""


class OpTime(_Record):
    """One op as the runtime executes it: a node of the file, or a kernel fused of several."""

    name: str
    kind: str
    """Operator, such as `Conv`, or the kernel's name in the runtime's own terms."""
    placement: str
    """Where it ran: execution provider or delegate, such as `CPUExecutionProvider` or `xnnpack`."""
    ms: Milliseconds
    """Its share of the median unprofiled latency."""
    share_percent: Share
    """Its share of the profiled run, and so of the unprofiled latency; the rest of 100 is `overhead_ms`."""
    profiled_ms: Milliseconds
    """Mean time per run as the runtime's profiler reports it, unscaled."""
    calls: float = Field(default=1.0, ge=0)
    """Calls per run: more than one in a loop."""
    macs: Count | None = None
    """Multiply-accumulates per run, from the shapes; None where shapes are unknown."""
    bytes: Bytes | None = None
    """Bytes of its inputs, weights and outputs, each counted once."""
    gmacs_per_s: float | None = Field(default=None, ge=0)
    gbytes_per_s: float | None = Field(default=None, ge=0)
    """Both rates are None where the profiler is too slow or too coarse for them."""
    bound: Literal["compute", "memory", "cache"] | None = None
    """The nearer of the device's two peaks, or `cache` where the bytes come faster than memory gives them; None if
    peaks, MACs, bytes or rates are unknown."""
    peak_percent: float | None = Field(default=None, ge=0)
    """Achieved share of the nearer peak; None for `cache`."""
    nodes: tuple[str, ...] = ()
    """Nodes of the file that it computes, its own operator first, where the runtime reports them."""
    input_shapes: tuple[tuple[int, ...], ...] = ()
    output_shapes: tuple[tuple[int, ...], ...] = ()

    @property
    def title(self) -> str:
        """Its first node, and how many it computes as well; the runtime's own name where no node is known."""
        if not self.nodes:
            return self.name
        return self.nodes[0] if len(self.nodes) == 1 else f"{self.nodes[0]} +{len(self.nodes) - 1}"


class Profiler(_Record):
    """The profiled runs. They are slower than unprofiled ones, so op times are shares of the unprofiled latency."""

    name: str
    """Such as `onnxruntime` or `LiteRT`."""
    runs: Count
    run_ms: Milliseconds
    """Mean wall time of a profiled run."""
    op_sum_ms: Milliseconds
    """Sum of the op times per run, before any scaling."""
    op_sum_percent: Share
    """The same as a share of the profiled run; the rest is the runtime's overhead."""
    slowdown: float = Field(ge=0)
    """Profiled run in units of an unprofiled one (median of each)."""
    exact_fusion: bool = False
    """Whether the runtime reports which nodes of the file each kernel computes."""


class Fallback(_Record):
    """A node that the delegate or provider did not take."""

    name: str
    kind: str
    placement: str


class Peaks(_Record):
    """The device's measured peak rates under the target's settings: a matrix product and a copy."""

    gmacs_per_s: float = Field(gt=0)
    gbytes_per_s: float = Field(gt=0)
    """Bytes read plus bytes written."""
    measured_at: float = Field(ge=0)
    """Seconds since 1970."""

    def best_of(self, earlier: Peaks) -> Peaks:
        """The higher of both rates, as of this measurement."""
        return Peaks(
            gmacs_per_s=max(self.gmacs_per_s, earlier.gmacs_per_s),
            gbytes_per_s=max(self.gbytes_per_s, earlier.gbytes_per_s),
            measured_at=self.measured_at,
        )


class Predicted(_Record):
    """What a latency model of the target says."""

    model: str
    ms: Milliseconds
    low_ms: Milliseconds | None = None
    high_ms: Milliseconds | None = None


class Energy(_Record):
    """Energy by sensors that could be read around the runs, of everything that these measure."""

    sensor: str
    joules_per_run: float = Field(ge=0)
    runs: Count
    interval_s: float | None = Field(default=None, ge=0)
    """Time that the runs took together."""
    resolution_joules: float | None = Field(default=None, ge=0)
    """Smallest step by which a counter moved meanwhile; None from agents that do not say."""


class ReferenceTime(_Record):
    """The reference network that was timed in alternation."""

    key: str
    baseline_ms: Milliseconds | None = None
    """On the idle device, as saved with the target."""
    ms: Milliseconds
    """Its fastest run during this profile."""


class Profile(_Record):
    """All that is known about one model file on one target."""

    format: Literal["latkit-profile-1"] = "latkit-profile-1"
    target: str
    model: str
    """The file's name."""
    path: str = ""
    """Where the file lay on the host."""
    sha256: str
    file: Annotated[dict[str, object], AfterValidator(_check_model_file)]
    """The `ModelFile` as JSON: format, inputs and outputs with type, shape and range."""
    repetition: Count = 0
    """Number of earlier profiles of the same file and inputs on this target; also the repetition in the store."""
    created_at: Annotated[str, AfterValidator(_check_moment)]
    """Time of completion, ISO 8601 in UTC."""
    environment: dict[str, object]
    """The `Environment` as JSON: what identifies the figures. Profiles that differ here are not compared."""
    runtime: str
    """Runtime and version as the device reports it."""
    delegate: str
    agent: str
    threads: int = Field(ge=1)
    batch: int = Field(ge=1)
    cores: str
    """Cores that the agent ran on, such as `0-3`, or `unpinned`."""
    emulated: bool = False
    """Whether the device is an emulator, whose latencies are not those of a phone."""
    plan: dict[str, object]
    """The `TimingPlan` as JSON."""
    load_ms: Milliseconds | None = None
    """Reading, optimizing and preparing the file, without the first run."""
    first_run_ms: Milliseconds | None = None
    warm_up: WarmUp | None = None
    latency_ms: LatencyStatistics
    """Hot: runs back to back."""
    throughput_per_s: float = Field(ge=0)
    """Examples per second at the mean hot latency: runs times batch."""
    peak_memory_bytes: Bytes | None = None
    """Peak resident memory of the agent's process after the first runs, everything included."""
    model_memory_bytes: Bytes | None = None
    """Growth of the process's resident memory by loading and running the model."""
    arena_bytes: Bytes | None = None
    """The runtime's own arena, where it reports it."""
    macs: Count | None = None
    parameters: Count | None = None
    file_bytes: Bytes = 0
    ops: tuple[OpTime, ...] = ()
    """In the order of execution; empty if the profiler was not requested or is not available."""
    overhead_ms: Milliseconds | None = None
    """Part of the median latency that no op accounts for, at its share of the profiled run."""
    profiler: Profiler | None = None
    fallbacks: tuple[Fallback, ...] = ()
    peaks: Peaks | None = None
    paced: Paced | None = None
    """At the first requested interval."""
    pacing: tuple[Paced, ...] = ()
    """At every requested interval."""
    prediction: Predicted | None = None
    energy: Energy | None = None
    reference: ReferenceTime
    conditions: dict[str, object] = Field(default_factory=dict)
    """Conditions before the first and after the last round: `before` and `after`."""
    flags: dict[str, str] = Field(default_factory=dict)
    """Raised flags, each with a remark (see `latkit.measurements.anomalies`)."""
    complete: bool = True
    """Whether every planned round was made."""
    notes: tuple[str, ...] = ()
    """What could not be found out, and why, one line each."""

    @property
    def model_file(self) -> ModelFile:
        """The workload. Raises UsageError."""
        return ModelFile.from_json(self.file)

    def to_polars(self) -> Any:
        """A `polars.DataFrame` with a row for every op, in the order of execution."""
        return to_polars(op.model_dump(mode="json", exclude={"input_shapes", "output_shapes"}) for op in self.ops)

    def __repr__(self) -> str:
        return one_line_repr(type(self).__name__, f"of {self.model} on {self.target}", self._facts())

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        rows = [
            {"op": op.name, "kind": op.kind, "ms": op.ms, "%": op.share_percent, "placement": op.placement}
            for op in self.ops
        ]
        return html_card(f"Profile of {self.model} on {self.target}", self._facts(), rows)

    def _facts(self) -> dict[str, object]:
        memory = "unknown" if self.peak_memory_bytes is None else f"{self.peak_memory_bytes / 1e6:.4g} MB"
        return {
            "p50": f"{self.latency_ms.p50:.4g} ms",
            "p90": f"{self.latency_ms.p90:.4g} ms",
            "peak memory": memory,
            "ops": len(self.ops),
            "made": moment_written(self.created_at),
        }

    def to_json(self) -> dict[str, Any]:
        """The profile as a JSON document."""
        return self.model_dump(mode="json")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile as JSON, atomically. Raises WriteError."""
        write_record(path, self.model_dump(mode="json"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a profile. Raises BadFile, which names the wrong field."""
        return load_record(path, cls, EXPECTED)


def oldest_first(profiles: Iterable[Profile]) -> list[Profile]:
    """The profiles in the order in which they were made."""
    return sorted(profiles, key=lambda profile: (profile.created_at, profile.repetition))
