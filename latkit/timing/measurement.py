"""The measurement: raw samples of one op or network on one target, with its identity and the conditions around it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from latkit.errors import MeasurementConflict, UsageError
from latkit.graphs import Graph, ModelFile
from latkit.ops import Network, Op
from latkit.targets import Target

Workload = Op | Network | Graph | ModelFile
"""What is measured."""

MAX_NS = 2**63 - 1
"""Samples are stored as signed 64-bit integers."""
MAX_RUNS = 2**20
"""An agent ends a round once it holds this many runs."""
MAX_COUNT = 2**31 - 1
MAX_ROUND_S = 1e6
"""About twelve days: no plan is longer."""
LAST_MOMENT_S = 253_402_300_800.0
"""The end of the year 9999, in seconds since 1970: no later time can be shown as a date."""

Role = Literal["fit", "pair", "validation", "profile"]
"""The purpose of a measurement. A latency model is fitted on those of the role `fit`, and its pair terms on short
networks of the role `pair`; on no others."""

FITTED: tuple[Role, ...] = ("fit", "pair")
"""The roles that a fit uses."""


@dataclass(frozen=True, slots=True)
class TimingPlan:
    """How a workload is timed: `rounds` short rounds spread over time, each `round_s` long.

    One run is one inference. A block is a warm-up run and some timed runs of the reference, then the same of the
    workload. A round holds as many blocks as fit into `round_s`, at least one, and ends early once it holds
    `round_runs` timed runs of the workload. Before the first block of a round, the workload runs until its times stop
    falling.
    """

    rounds: Annotated[int, Field(alias="visits")] = 6
    round_s: Annotated[float, Field(alias="visit_s")] = 0.2
    round_runs: Annotated[int, Field(alias="visit_runs")] = 60
    extra_rounds: Annotated[int, Field(alias="extra_visits")] = 6
    """Maximum number of extra rounds, made one at a time while a workload has not converged."""
    agreement: float = 0.01
    """Convergence tolerance, as a share: the maximum difference between a short workload's three fastest rounds, or the
    maximum standard error of a long workload's level.
    """

    def __post_init__(self) -> None:
        counts = 1 <= self.rounds <= MAX_COUNT and 1 <= self.round_runs <= MAX_COUNT
        extra = 0 <= self.extra_rounds <= MAX_COUNT
        if not (counts and extra and 0 < self.round_s <= MAX_ROUND_S and 0 < self.agreement <= MAX_ROUND_S):
            raise UsageError(
                f"expected a timing plan of 1 to {MAX_COUNT} rounds of at most {MAX_ROUND_S:.0f} s, but found {self}"
            )

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON document; the fields have their aliases as names, as in files."""
        document: dict[str, Any] = _PLAN.dump_python(self, by_alias=True)
        return document


@dataclass(frozen=True, slots=True)
class Environment:
    """What identifies a number besides its workload and target. Measurements that differ here do not merge."""

    device_key: str
    """Hash of the device's unchanging facts: processor, cores, memory."""
    runtime_version: str
    """Version of the runtime as the device reports it, such as `ai-edge-litert 2.3.0`."""
    delegate: str
    """What executes the nodes: execution provider or delegate, such as `CPUExecutionProvider` or `xnnpack`."""
    exporter: str
    """Exporter and its version, such as `torch.onnx 2.13.0`."""
    opset: int
    """ONNX opset of the artifact; 0 if the format has none."""
    affinity: str
    """The cores that the agent was pinned to, such as `0-3`, or `unpinned`."""
    reference_key: str
    """Key of the reference network that was timed alternately with the workload."""
    protocol: int
    """Version of the agent's protocol."""
    governor: str = ""
    """The cpufreq governor of the cores, such as `ondemand`; empty if the device does not report it."""
    baseline: Annotated[int, Field(alias="scale")] = 0
    """Incremented when the same device has changed its speed and is measured again (see `latkit.timing.baseline`)."""
    emulated: bool = False
    """Whether the device is an emulator, whose latencies are not those of a phone."""
    agent: str = "python"
    """What timed it: an agent, `python` or `native` (Python adds about a microsecond to each call of a runtime), or
    `benchmark_model`.
    """

    def to_json(self) -> dict[str, Any]:
        """The environment as a JSON document; the fields have their aliases as names, as in files."""
        document: dict[str, Any] = _ENVIRONMENT.dump_python(self, by_alias=True)
        return document

    def changes(self, later: Environment) -> dict[str, tuple[object, object]]:
        """The differences from a later environment: by field name, the old and the new value."""
        ours, theirs = asdict(self), asdict(later)
        return {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}

    def check_same(self, other: Environment) -> None:
        """Raise MeasurementConflict, which names the differences."""
        differing = [f"{name} {ours!r} and {theirs!r}" for name, (ours, theirs) in self.changes(other).items()]
        if differing:
            raise MeasurementConflict("measurements taken under different conditions: " + "; ".join(differing))


@dataclass(frozen=True, slots=True)
class Round:
    """One short round: the raw samples, one entry per run, in the order they were taken."""

    started_at: float
    """Seconds since 1970 by the host's clock."""
    wall_ns: tuple[int, ...]
    cpu_ns: tuple[int, ...]
    """CPU time of the whole agent process during each run, all threads together."""
    preemptions: tuple[int, ...]
    """Involuntary context switches counted during each run."""
    reference_wall_ns: tuple[int, ...]
    reference_cpu_ns: tuple[int, ...]
    conditions: dict[str, object] = field(default_factory=dict)
    """The conditions around the round: `before` and `after`, each with frequency, temperature, load and free memory."""

    def __post_init__(self) -> None:
        if not self.wall_ns or not self.reference_wall_ns:
            raise UsageError("a round holds at least one run of the workload and one of the reference")
        same = len(self.wall_ns) == len(self.cpu_ns) == len(self.preemptions)
        if not same or len(self.reference_wall_ns) != len(self.reference_cpu_ns):
            raise UsageError("a round holds one wall time, one CPU time and one count of preemptions per run")
        if max(len(self.wall_ns), len(self.reference_wall_ns)) > MAX_RUNS:
            raise UsageError(f"a round holds at most {MAX_RUNS} runs of the workload, and as many of the reference")
        if min(self.wall_ns) <= 0 or min(self.reference_wall_ns) <= 0:
            raise UsageError("a run takes more than no time")
        samples = (self.wall_ns, self.cpu_ns, self.preemptions, self.reference_wall_ns, self.reference_cpu_ns)
        if any(min(values) < 0 or max(values) > MAX_NS for values in samples):
            raise UsageError(f"a round's samples are from 0 to {MAX_NS}")
        if not 0 <= self.started_at < LAST_MOMENT_S:
            raise UsageError(f"a round begins between the years 1970 and 9999, not at {self.started_at!r} s since 1970")


@dataclass(frozen=True, slots=True)
class Measurement:
    """Raw samples of one workload on one target. `repetition` distinguishes independent measurements of the same."""

    workload: Workload
    target: Target
    environment: Environment
    plan: TimingPlan
    rounds: tuple[Round, ...]
    role: Role = "fit"
    repetition: int = 0
    reference_s: float | None = None
    """The reference's latency on the idle device as saved with the target; None if none is saved yet."""

    @property
    def complete(self) -> bool:
        """Whether all planned rounds were made."""
        return len(self.rounds) >= self.plan.rounds


_PLAN = TypeAdapter(TimingPlan)
_ENVIRONMENT = TypeAdapter(Environment)
