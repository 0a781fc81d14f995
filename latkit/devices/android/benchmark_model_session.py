"""Sessions that measure with Google's `benchmark_model`, for users who have it for their device.

The tool supports a phone's GPU, Hexagon and NNAPI, which latkit's agents do not. The agent still reports the device's
facts and conditions; every latency comes from the tool. A sample is one timed run as the tool counts it, in whole
microseconds; a run of 0 is saved as 1, and counted. The tool does not list its runs, so each start of it makes three,
which can be reconstructed from its output (see `benchmark_model_output`). It reports neither CPU time nor
preemptions: both are saved as 0, which estimators treat as missing. A block is one start for the workload, with one
start for the reference before and one after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

from latkit.devices.agent import PROTOCOL
from latkit.devices.android.benchmark_model import PHASE_S, START_S, BenchmarkTool, Start, check_takes_tool, taskset
from latkit.devices.android.benchmark_model_ops import read_load_s, read_ops
from latkit.devices.android.benchmark_model_output import RUNS, TOOL, Report
from latkit.devices.cpu_topology import UNPINNED, ranges
from latkit.devices.sessions.agent_client import Answer
from latkit.devices.sessions.agent_launcher import COMMAND_S, has, models_folder
from latkit.devices.sessions.answers import LoadedModel, ProfiledOp
from latkit.devices.sessions.session import DEFAULT_OPTIONS, Connection, Session, SessionMaker, SessionOptions
from latkit.errors import AgentError, DeviceError
from latkit.runtimes.artifact import Artifact
from latkit.timing import REFERENCE, Environment, Round, TimingPlan

WARM_UP_SHARE = 0.5
"""Minimum share of a round that each start of the tool spends on its warm-up."""


def measuring_with(tool: BenchmarkTool) -> SessionMaker:
    """A factory of sessions that measure with that tool, for `open_session`."""
    return partial(BenchmarkSession, tool=tool)


class BenchmarkSession(Session):
    """A session that measures with the tool. Created by `open_session`, given `measuring_with`."""

    def __init__(
        self,
        connection: Connection,
        options: SessionOptions = DEFAULT_OPTIONS,
        on_message: Callable[[str], None] = lambda _text: None,
        *,
        tool: BenchmarkTool,
    ) -> None:
        check_takes_tool(connection.target)
        super().__init__(connection, options, on_message)
        self._tool = tool
        self._program = f"{self.device.folder}/{TOOL}-{tool.sha256[:12]}"
        self._cores: tuple[int, ...] = ()
        self._paths: dict[str, str] = {}
        self._delegates: dict[str, str] = {}
        self._ops: list[ProfiledOp] = []
        self._put_tool()

    def pin(self, cores: tuple[int, ...]) -> bool:
        """Pin the tool to these cores from now on, by `taskset`; returns whether the device allows it."""
        allowed = super().pin(cores) and not self._transport.run([*taskset(cores), "true"], COMMAND_S).exit_status
        self._cores = cores if allowed else ()
        return allowed

    def environment(self, artifact: Artifact, reference: Artifact, reference_key: str = REFERENCE.key) -> Environment:
        """What identifies the numbers; the nodes in `delegate` are those of this artifact. Runs it once, and caches the
        result.

        Raises AgentError if a requested delegate does not compute it.
        """
        self._path(reference)
        if artifact.sha256 not in self._delegates:
            self._delegates[artifact.sha256] = self._tool.delegate(self._time(artifact, warm_up_s=0))
        pinned = self._cores and len(self._cores) < len(self.device.facts.cores)
        return Environment(
            device_key=self.device.key,
            runtime_version=self._tool.version,
            delegate=self._delegates[artifact.sha256],
            exporter=artifact.exporter,
            opset=artifact.opset,
            affinity=ranges(self._cores) if pinned else UNPINNED,
            reference_key=reference_key,
            protocol=PROTOCOL,
            governor=str(self.conditions().get("governor") or ""),
            emulated=self.device.facts.emulated,
            agent=TOOL,
        )

    def load(self, artifact: Artifact) -> None:
        """Put an artifact on the device, and run it once with the tool. Raises as `measure_round` does."""
        self._time(artifact, warm_up_s=0)

    def measure_round(self, artifact: Artifact, reference: Artifact, plan: TimingPlan) -> Round:
        """One round: as many blocks as begin within `round_s`, at least one. Raises as `Session.measure_round` does.

        AgentError: of kind `bad-model` if the tool rejects the artifact, `delegate` if a requested delegate does not
        compute it, `crash`. `conditions["delegated"]` holds the part of the artifact that each delegate took, as
        `nodes` and `of`; `below_1_us` is the number of runs that the tool counted as 0 microseconds, if any.
        """
        self._push_s = 0.0
        self._path(artifact)
        self._path(reference)
        before, paused_s = self._when_cool()
        started_at, begun = time.time(), time.monotonic()
        workloads, references = self._blocks(artifact, reference, plan)
        spent_s = time.monotonic() - begun
        wall_us, reference_us = _runs_us(workloads), _runs_us(references)
        inference_ns = sum(report.inference_ns for report in (*workloads, *references))
        starting_s = max(spent_s - inference_ns / 1e9, 0.0)
        noted = {"push_s": self._push_s, "load_s": starting_s, "cooled_s": paused_s, "below_1_us": wall_us.count(0)}
        conditions: dict[str, object] = {
            "before": before,
            "after": self.conditions(),
            "turn": _block(workloads, references),
            "inference_ns": inference_ns,
            "delegated": {word: asdict(share) for word, share in workloads[0].delegates.items()},
            **{name: value for name, value in noted.items() if value},
        }
        zeros, reference_zeros = (0,) * len(wall_us), (0,) * len(reference_us)
        return Round(
            started_at, _nanoseconds(wall_us), zeros, zeros, _nanoseconds(reference_us), reference_zeros, conditions
        )

    def _blocks(self, artifact: Artifact, reference: Artifact, plan: TimingPlan) -> tuple[list[Report], list[Report]]:
        """The tool's reports on the workload, one per block; and on the reference, before each block and at the end."""
        begun, warm_up_s = time.monotonic(), WARM_UP_SHARE * plan.round_s
        references, workloads = [self._time_reference(reference, warm_up_s)], list[Report]()
        while not workloads or (time.monotonic() - begun < plan.round_s and RUNS * len(workloads) < plan.round_runs):
            workloads.append(self._time(artifact, warm_up_s))
            references.append(self._time_reference(reference, warm_up_s))
        return workloads, references

    def _put_tool(self) -> None:
        """Push the tool to the device, ready to be started."""
        if not has(self._transport, self._program, self._tool.sha256):
            self._transport.push(self._tool.path, self._program)
        self._transport.run(["chmod", "755", self._program], COMMAND_S).checked(f"making {TOOL} executable")

    def _path(self, artifact: Artifact) -> str:
        """Path of the artifact on the device; pushed unless it exists."""
        path = f"{models_folder(self.device.folder)}/{artifact.sha256}"
        if artifact.sha256 not in self._paths and not has(self._transport, path, artifact.sha256):
            begun = time.monotonic()
            self._transport.push(artifact.path, path)
            self._push_s += time.monotonic() - begun
        return self._paths.setdefault(artifact.sha256, path)

    def _time_reference(self, reference: Artifact, warm_up_s: float) -> Report:
        """As `_time`. A failure of the reference is not the workload's fault, and ends the collection."""
        try:
            return self._time(reference, warm_up_s)
        except AgentError as error:
            raise DeviceError(f"{self.device.name}: the reference could be measured before, but now {error}") from error

    def loaded(self, artifact: Artifact) -> LoadedModel:
        """What one start of the tool tells of loading an artifact. Inputs are the tool's own, random ones."""
        report = self._time(artifact, warm_up_s=0)
        return LoadedModel(
            handle=artifact.sha256,
            runtime_version=self._tool.version,
            delegate=self._tool.delegate(report),
            create_s=read_load_s(report.output),
            first_run_s=report.warm_up.first / 1e6,
            bound_inputs=0,
        )

    def ask(self, request: str, deadline_s: float, **fields: object) -> Answer:
        """The agent's answer, or the tool's where the request is about a model file (see docs/agent-protocol.md)."""
        if request == "pace":
            raise AgentError("no-pacing", f"{TOOL} begins its runs without pauses")
        if request == "profile":
            return self._profile(str(fields["handle"]))
        if request == "ops":
            first = fields["first"]
            assert isinstance(first, int)
            return {"ops": [op.model_dump() for op in self._ops[first:]]}
        return super().ask(request, deadline_s, **fields)

    def _profile(self, sha256: str) -> Answer:
        """Timed runs with the tool's profiler; its ops answer the next request."""
        report = self._start(self._paths[sha256], warm_up_s=0, op_profiling=True)
        self._ops = read_ops(report.output, tuple(report.delegates), report.timed.count)
        wall_ns = _nanoseconds(report.timed.each_us())
        return {"profiler": TOOL, "wall_ns": list(wall_ns), "ops": len(self._ops), "exact": False}

    def _time(self, artifact: Artifact, warm_up_s: float) -> Report:
        """The report of one start of the tool on an artifact. Raises DeviceError."""
        return self._start(self._path(artifact), warm_up_s)

    def _start(self, path: str, warm_up_s: float, op_profiling: bool = False) -> Report:
        start = Start(path, self.target.threads, warm_up_s, self._cores, op_profiling)
        command = self._tool.command(self._program, start)
        return self._tool.report(self._transport.run(command, 2 * PHASE_S + START_S), self.device)


def _block(workloads: Sequence[Report], references: Sequence[Report]) -> dict[str, int] | None:
    """Number of runs in a block; None if a start of the tool ran out of time, so that blocks differ."""
    complete = all(report.timed.count == RUNS for report in (*workloads, *references))
    return {"subject_runs": RUNS, "reference_runs": RUNS} if complete else None


def _runs_us(reports: Sequence[Report]) -> tuple[int, ...]:
    return tuple(us for report in reports for us in report.timed.each_us())


def _nanoseconds(runs_us: Sequence[int]) -> tuple[int, ...]:
    """Nanoseconds of readings in whole microseconds, each off by less than one; a reading of 0 becomes 1."""
    return tuple(1000 * max(us, 1) for us in runs_us)
