"""Profiles model files on one target: loads them, times them in interleaved rounds, and times their ops."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from latkit._io import one_line
from latkit._io.moments import now_written
from latkit.artifacts.files import ModelSource
from latkit.devices import OpProfile, RecoveringSession, Session, load_file, profile_ops, time_paced
from latkit.devices.sessions.answers import LoadedModel, PacedRuns
from latkit.errors import AgentError, DeviceError, ExportError, LatkitError, MissingExtra, ModelRejected, NotMeasured
from latkit.graphs import ModelFile
from latkit.measurements.anomalies import flags_of
from latkit.profiling.collector import Collection
from latkit.profiling.profile.op_table import fallbacks, op_table, profiler_record, reached_peaks, with_bounds
from latkit.profiling.profile.peaks import ensure_peaks
from latkit.profiling.profile.records import (
    Energy,
    LatencyStatistics,
    OpTime,
    Paced,
    Peaks,
    Predicted,
    Profile,
    ProfileRequest,
    ReferenceTime,
    WarmUp,
)
from latkit.profiling.profile.statistics import hot_statistics, statistics_of
from latkit.runtimes import Runtime, get_runtime
from latkit.runtimes.artifact import Artifact, FileArtifact
from latkit.timing import REFERENCE, Environment, Measurement, Workload, uses_cpu_time
from latkit.timing.rounds import reference_min_s

MAX_OPS_SECONDS = 5.0
"""Time for the profiled runs of a model; at least one is made."""
ENERGY_SECONDS = 1.0
"""Time for runs between the first and the last reading of a sensor."""
MIN_ENERGY_STEPS = 10
"""A counter that moves less often in that time is off by a tenth or more."""

Predict = Callable[[ModelSource], Predicted | None]
"""What a latency model of the target says of a file; None if there is no model."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The profiles of the models that could be profiled, and why the others could not, by path."""

    profiles: tuple[Profile, ...]
    failed: dict[Path, LatkitError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProfileRun:
    """Everything that profiling on one target needs."""

    collection: Collection
    session: RecoveringSession
    request: ProfileRequest
    peaks_path: Path
    """Where the target's peak rates are saved."""
    repetition: int = 0
    """Distinguishes this profile from earlier ones of the same files."""
    predict: Predict = lambda _source: None

    @property
    def runtime(self) -> Runtime:
        """The target's."""
        return get_runtime(self.request.target.runtime)

    def run(self, sources: Sequence[ModelSource]) -> Outcome:
        """Profile all models in interleaved rounds. A model that the runtime rejects is left out with its reason.

        Rounds of an unfinished profile of this repetition are not repeated. Raises DeviceError; everything measured
        before is saved.
        """
        with tempfile.TemporaryDirectory(prefix="latkit-profile-") as name:
            folder = Path(name)
            artifacts: dict[Workload, FileArtifact] = {s.model: s.artifact(self.runtime, folder) for s in sources}
            failed: dict[Path, LatkitError] = {}
            loaded = self._load_all(sources, artifacts, failed)
            collection = replace(self.collection, export=self._exporter(artifacts))
            loadable = [source for source in sources if source.model in loaded]
            summary = collection.run(
                [source.model for source in loadable], "profile", self.repetition, self.request.max_seconds
            )
            environment = self.collection.environment()
            peaks, notes = self._peaks(environment, folder)
            profiles = []
            for source in loadable:
                if reason := summary.failed.get(source.model.title):
                    failed[source.path] = DeviceError(reason)
                    continue
                one = _OneProfile(self, source, artifacts[source.model], loaded[source.model], environment, peaks)
                profiles.append(one.profile(notes))
            return Outcome(tuple(profiles), failed)

    def reference(self) -> Artifact:
        """The reference's artifact."""
        return self.collection.export(REFERENCE)

    def _load_all(
        self, sources: Sequence[ModelSource], artifacts: dict[Workload, FileArtifact], failed: dict[Path, LatkitError]
    ) -> dict[Workload, LoadedModel]:
        """Load each model, alone where there are several, so that memory is its own."""
        loaded: dict[Workload, LoadedModel] = {}
        for source in sources:
            artifact = artifacts[source.model]
            try:
                loaded[source.model] = self.session.act(
                    artifact, self.reference(), partial(load_file, artifact=artifact)
                )
            except AgentError as error:
                failed[source.path] = rejected(source, error, self.runtime)
            if len(sources) > 1:
                self.session.act(artifact, self.reference(), partial(Session.unload, artifact=artifact))
        return loaded

    def _exporter(self, artifacts: dict[Workload, FileArtifact]) -> Callable[[Workload], Artifact]:
        def export(workload: Workload) -> Artifact:
            return artifacts[workload] if isinstance(workload, ModelFile) else self.collection.export(workload)

        return export

    def _peaks(self, environment: Environment, folder: Path) -> tuple[Peaks | None, list[str]]:
        """The target's peak rates, or a note why there are none."""
        if not (self.request.peaks and self.request.ops):
            return None, []
        try:
            return ensure_peaks(self.collection, self.peaks_path, environment, folder), []
        except (ExportError, AgentError, MissingExtra) as error:
            return None, [one_line(f"no peak rates: {error}")]


@dataclass(frozen=True, slots=True)
class _OneProfile:
    """Puts together the profile of one model."""

    run: ProfileRun
    source: ModelSource
    artifact: FileArtifact
    loaded: LoadedModel
    environment: Environment
    peaks: Peaks | None

    def profile(self, notes: Sequence[str]) -> Profile:
        """The profile. What cannot be found out becomes a note."""
        measurement = self._measurement()
        latency = hot_statistics(measurement)
        remarks = list(notes)
        pacing = tuple(self._paced(interval_ms, latency, remarks) for interval_ms in self.run.request.intervals_ms)
        pacing_found = tuple(paced for paced in pacing if paced is not None)
        energy = self._energy(latency, remarks)
        ops = self._ops(latency, remarks)
        prediction = self._prediction(remarks)
        table = op_table(ops, self.source, latency, self.run.runtime) if ops else ()
        peaks = self._reached_peaks(table, remarks)
        if peaks:
            table = with_bounds(table, peaks)
        known_macs = [op.macs for op in table]
        return Profile(
            **self._identity(measurement),
            **self._loading(),
            warm_up=_warm_up(measurement),
            latency_ms=latency,
            throughput_per_s=1e3 * self.run.request.target.batch / latency.mean,
            arena_bytes=ops.arena_bytes if ops else None,
            macs=sum(n or 0 for n in known_macs) if known_macs and None not in known_macs else None,
            ops=table,
            overhead_ms=max(latency.p50 - sum(op.ms for op in table), 0.0) if table else None,
            profiler=profiler_record(ops, latency) if ops else None,
            fallbacks=fallbacks(table, self.run.runtime),
            peaks=peaks,
            paced=pacing_found[0] if pacing_found else None,
            pacing=pacing_found,
            prediction=prediction,
            energy=energy,
            reference=self._reference(measurement),
            conditions=_conditions(measurement),
            flags=flags_of(measurement),
            complete=measurement.complete,
            notes=tuple(remarks),
        )

    def _reached_peaks(self, table: Sequence[OpTime], remarks: list[str]) -> Peaks | None:
        """The peaks, at least as high as the fastest op, which a note then names."""
        if self.peaks is None:
            return None
        peaks = reached_peaks(table, self.peaks)
        if peaks != self.peaks:
            remarks.append(
                f"an op computes at {peaks.gmacs_per_s:.3g} GMAC/s, faster than the matrix product that measures the"
                f" peak ({self.peaks.gmacs_per_s:.3g} GMAC/s): its rate is the peak of this profile"
            )
        return peaks

    def _identity(self, measurement: Measurement) -> dict[str, Any]:
        """What was measured, and with what."""
        model, target, environment = self.source.model, self.run.request.target, self.environment
        return {
            "target": str(target),
            "model": model.name,
            "path": str(self.source.path),
            "sha256": model.sha256,
            "file": model.to_json(),
            "repetition": self.run.repetition,
            "created_at": now_written(),
            "environment": environment.to_json(),
            "agent": environment.agent,
            "threads": target.threads,
            "batch": target.batch,
            "cores": environment.affinity,
            "emulated": environment.emulated,
            "plan": measurement.plan.to_json(),
            "parameters": model.parameters,
            "file_bytes": model.file_bytes,
        }

    def _loading(self) -> dict[str, Any]:
        """What loading the model took."""
        growth = self.loaded.memory_bytes
        return {
            "runtime": self.loaded.runtime_version,
            "delegate": self.loaded.delegate,
            "load_ms": _ms(self.loaded.create_s),
            "first_run_ms": _ms(self.loaded.first_run_s),
            "peak_memory_bytes": self.loaded.peak_memory_bytes,
            "model_memory_bytes": None if growth is None else max(growth, 0),
        }

    def _measurement(self) -> Measurement:
        """The rounds that were saved. Raises NotMeasured if there is none."""
        for found in self.run.collection.store.measurements("profile"):
            same = found.workload == self.source.model and found.environment == self.environment
            if same and found.plan == self.run.request.plan and found.repetition == self.run.repetition:
                return found
        raise NotMeasured(f"{self.source.model.title}: the time ran out before its first round; run again to go on")

    def _paced(self, interval_ms: float, latency: LatencyStatistics, notes: list[str]) -> Paced | None:
        runs = self.run.request.paced_runs
        try:
            found = self._time_paced(interval_ms / 1e3, runs, latency)
        except AgentError as error:
            notes.append(one_line(f"no paced runs: {error}"))
            return None
        statistics = statistics_of([ns / 1e6 for ns in found.wall_ns])
        ratio = statistics.p50 / latency.p50
        return Paced(interval_ms=interval_ms, latency_ms=statistics, missed=found.missed, hot_ratio=ratio)

    def _energy(self, latency: LatencyStatistics, notes: list[str]) -> Energy | None:
        """Energy of hot runs, if the device has a counter that can be read, and that moves often enough."""
        if not (self.run.request.energy and _has_sensor(self.loaded)):
            return None
        try:
            found = self._time_paced(0.0, max(round(1e3 * ENERGY_SECONDS / latency.mean), 1), latency)
        except AgentError:
            return None
        if not found.energy_uj:
            return None
        try:
            return energy_of(found)
        except NotMeasured as error:
            notes.append(str(error))
            return None

    def _time_paced(self, interval_s: float, runs: int, latency: LatencyStatistics) -> PacedRuns:
        return self.run.session.act(
            self.artifact,
            self.run.reference(),
            lambda session: time_paced(session, self.artifact, interval_s, runs, latency.p99 / 1e3),
        )

    def _ops(self, latency: LatencyStatistics, notes: list[str]) -> OpProfile | None:
        if not self.run.request.ops:
            return None
        runs = self.run.request.profiled_runs(latency.p50 / 1e3)
        try:
            found = self.run.session.act(
                self.artifact,
                self.run.reference(),
                lambda session: profile_ops(session, self.artifact, runs, MAX_OPS_SECONDS),
            )
        except AgentError as error:
            notes.append(one_line(f"no op times: {error}"))
            return None
        if not found.ops:
            notes.append(f"no op times: {found.profiler}'s profiler reported none")
            return None
        return found

    def _prediction(self, notes: list[str]) -> Predicted | None:
        try:
            return self.run.predict(self.source)
        except LatkitError as error:
            notes.append(one_line(f"no prediction: {error}"))
            return None

    def _reference(self, measurement: Measurement) -> ReferenceTime:
        use_cpu_time = uses_cpu_time(measurement.target)
        fastest_s = min(reference_min_s(one_round, use_cpu_time) for one_round in measurement.rounds)
        baseline_ms = None if measurement.reference_s is None else 1e3 * measurement.reference_s
        return ReferenceTime(key=self.environment.reference_key, baseline_ms=baseline_ms, ms=1e3 * fastest_s)


def rejected(source: ModelSource, error: AgentError, runtime: Runtime) -> LatkitError:
    """The runtime's own reason in one line, with the file's name. An error of another kind is returned unchanged."""
    if error.kind not in ("bad-model", "memory"):
        return error
    text = runtime.short_reason(str(error).partition(f"reports {error.kind}: ")[2])
    return ModelRejected(one_line(f"{source.path}: {text}", 1000))


def energy_of(found: PacedRuns) -> Energy:
    """Energy of a run by the counters' movements. Raises NotMeasured where a counter moved too rarely to tell."""
    counts = {name: count for name, (count, _) in found.energy_steps.items() if name in found.energy_uj}
    for name, count in counts.items():
        if count < MIN_ENERGY_STEPS:
            times = "once" if count == 1 else f"{count} times"
            raise NotMeasured(one_line(f"no energy: {name} moved {times} in {sum(found.wall_ns) / 1e9:.2g} s of runs"))
    return Energy(
        sensor=", ".join(sorted(found.energy_uj)),
        joules_per_run=sum(found.energy_uj.values()) / 1e6 / len(found.wall_ns),
        runs=len(found.wall_ns),
        interval_s=sum(found.wall_ns) / 1e9,
        resolution_joules=max((found.energy_steps[name][1] for name in counts), default=0) / 1e6 if counts else None,
    )


def _has_sensor(loaded: LoadedModel) -> bool:
    """Whether the agent reads a counter of energy."""
    return bool(loaded.energy_sensors)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1e3 * seconds


def _warm_up(measurement: Measurement) -> WarmUp | None:
    counts = [
        block["warm_up_runs"]
        for one_round in measurement.rounds
        if isinstance(block := one_round.conditions.get("turn"), dict) and isinstance(block.get("warm_up_runs"), int)
    ]
    return WarmUp(runs_per_round=sum(counts) / len(counts)) if counts else None


def _conditions(measurement: Measurement) -> dict[str, object]:
    """The conditions before the first and after the last round."""
    first, last = measurement.rounds[0].conditions, measurement.rounds[-1].conditions
    return {"before": first.get("before"), "after": last.get("after")}
