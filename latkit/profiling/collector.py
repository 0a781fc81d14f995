"""The collection: passes of short rounds over the workloads that the store still lacks."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from latkit.errors import AgentError, ExportError, MeasurementConflict
from latkit.measurements import Store
from latkit.measurements.selection import reason_contended
from latkit.profiling.export_queue import Exporter, ExportQueue
from latkit.profiling.summary import CollectionSummary, Ledger
from latkit.progress import Progress, Silent
from latkit.runtimes import Artifact
from latkit.timing import (
    REFERENCE,
    Environment,
    Measurement,
    Role,
    Round,
    TimingPlan,
    Workload,
    has_converged,
    reference_min_s,
    uses_cpu_time,
)

RELOADED_BYTES = 2 * 2**20
"""An artifact whose file is larger is loaded anew for every round.

Which pages of memory a network gets when it is loaded decides up to 4 % of its latency, as long as it stays loaded: its
rounds would agree on an accident. Small ones, such as most ops, stay in the caches.
"""


class TimingSession(Protocol):
    """What a collection needs from a session on a device."""

    def environment(self, artifact: Artifact, reference: Artifact) -> Environment:
        """What identifies the numbers of this session."""

    def measure_round(self, artifact: Artifact, reference: Artifact, plan: TimingPlan) -> Round:
        """Time an artifact for one round, alternately with the reference."""

    def unload(self, artifact: Artifact) -> None:
        """Free the memory of an artifact; its next round loads it again."""


@dataclass(frozen=True, slots=True)
class Collection:
    """The settings that stay the same while workloads are collected."""

    session: TimingSession
    store: Store
    export: Exporter
    plan: TimingPlan = field(default_factory=TimingPlan)
    progress: Progress = field(default_factory=Silent)
    overlapping: bool = False
    """Whether artifacts are exported while the device measures: False if the device is this machine."""
    baseline: int = 0
    """See `Environment.baseline`."""

    def environment(self) -> Environment:
        """What identifies the numbers of this collection. Raises DeviceError, ExportError."""
        reference = self.export(REFERENCE)
        return replace(self.session.environment(reference, reference), baseline=self.baseline)

    def run(
        self,
        workloads: Iterable[Workload],
        role: Role = "fit",
        repetition: int = 0,
        max_seconds: float | None = None,
        seed: int = 0,
    ) -> CollectionSummary:
        """Measure what the store lacks of these workloads, one commit per round.

        Each pass times every workload that still lacks that round, in a new random order, so that all of them see the
        same mixture of noise on the device (docs/concepts/measuring.md). Then those that have not converged get extra
        rounds, and those that other processes disturbed too much as many rounds again, in every run. A workload that
        cannot be exported or that the runtime rejects is left out and named in the result. A device that fails raises
        DeviceError, with everything before it committed. `max_seconds` bounds the timing, not the exports.
        """
        begun = time.monotonic()
        requested = list(dict.fromkeys(workloads))
        run = _Run(self, self.export(REFERENCE), self.environment(), role, repetition)
        recorded, best_reference_s = self._known(requested, run.environment, role, repetition)
        resumed = sum(len(rounds) for rounds in recorded.values())
        finished = True
        with ExportQueue(self.export) as export_queue:
            self._begin_exports(export_queue, requested)
            deadline = time.monotonic() + max_seconds if max_seconds is not None else math.inf
            order = self._schedule(recorded, run, best_reference_s, random.Random(f"{seed}/{resumed}"))
            for workload, to_come in order:
                if time.monotonic() > deadline:
                    finished = False
                    break
                if run.measure(workload, export_queue, recorded[workload]):
                    self._advance(resumed + run.made, to_come, workload)
        return CollectionSummary(
            workloads=len(requested) - run.unexported,
            rounds=run.made,
            resumed=resumed,
            failed=run.failed,
            finished=finished,
            **run.ledger.columns(time.monotonic() - begun, export_queue.waited_s),
        )

    def _advance(self, done: int, to_come: int, workload: Workload) -> None:
        self.progress.advance("measuring", done, done + to_come, workload.title)

    def _begin_exports(self, export_queue: ExportQueue, workloads: Sequence[Workload]) -> None:
        if self.overlapping:
            export_queue.export_in_background(workloads)
        else:
            export_queue.export_all(workloads, self.progress)

    def _known(
        self, workloads: Sequence[Workload], environment: Environment, role: Role, repetition: int
    ) -> tuple[dict[Workload, list[Round]], float]:
        """The recorded rounds of each workload, and the reference's fastest latency in this environment, in seconds."""
        recorded: dict[Workload, list[Round]] = {workload: [] for workload in workloads}
        best_reference_s, use_cpu_time = math.inf, uses_cpu_time(self.store.target)
        for known in self.store.measurements():
            if known.environment != environment:
                continue
            best_reference_s = min(
                [best_reference_s, *(reference_min_s(one_round, use_cpu_time) for one_round in known.rounds)]
            )
            if (known.plan, known.role, known.repetition) == (
                self.plan,
                role,
                repetition,
            ) and known.workload in recorded:
                recorded[known.workload] = list(known.rounds)
        return recorded, best_reference_s

    def _schedule(
        self, recorded: Mapping[Workload, list[Round]], run: _Run, best_reference_s: float, rng: random.Random
    ) -> Iterator[tuple[Workload, int]]:
        """The workload to time next, and the number of rounds known to follow; `recorded` grows with every round."""
        plan = self.plan
        for pass_number in range(plan.rounds + plan.extra_rounds + plan.rounds):
            if pass_number < plan.rounds + plan.extra_rounds:
                pending = self._pending(recorded, pass_number, best_reference_s)
            else:
                pending = [workload for workload, rounds in recorded.items() if run.is_contended(workload, rounds)]
            rng.shuffle(pending)
            later = sum(max(plan.rounds - max(len(rounds), pass_number + 1), 0) for rounds in recorded.values())
            for number, workload in enumerate(pending, start=1):
                if workload.title not in run.failed:
                    yield workload, len(pending) - number + later

    def _pending(
        self, recorded: Mapping[Workload, list[Round]], pass_number: int, best_reference_s: float
    ) -> list[Workload]:
        """The workloads of a pass, counted from 0: those that lack that round and have not converged."""
        use_cpu_time = uses_cpu_time(self.store.target)
        made = (reference_min_s(one_round, use_cpu_time) for rounds in recorded.values() for one_round in rounds)
        best_reference_s = min([best_reference_s, *made])
        return [
            workload
            for workload, rounds in recorded.items()
            if len(rounds) <= pass_number and not has_converged(rounds, self.plan, best_reference_s, use_cpu_time)
        ]


@dataclass(slots=True)
class _Run:
    """One run of a collection, and what came of it so far."""

    collection: Collection
    reference: Artifact
    environment: Environment
    role: Role
    repetition: int
    failed: dict[str, str] = field(default_factory=dict)
    """The reason for each workload that could not be measured, by its title."""
    made: int = 0
    """Rounds, including failed ones."""
    unexported: int = 0
    ledger: Ledger = field(default_factory=Ledger)

    def is_contended(self, workload: Workload, rounds: Sequence[Round]) -> bool:
        """Whether other processes disturbed so many of its runs that a fit cannot use it."""
        target, plan = self.collection.store.target, self.collection.plan
        made = Measurement(workload, target, self.environment, plan, tuple(rounds), self.role, self.repetition)
        return bool(rounds) and bool(reason_contended(made))

    def measure(self, workload: Workload, export_queue: ExportQueue, rounds: list[Round]) -> bool:
        """Time a workload for one round, and commit it; False if it could not be exported."""
        collection = self.collection
        try:
            artifact = _of_one_exporter(export_queue.artifact(workload), self.reference)
            one_round = collection.session.measure_round(artifact, self.reference, collection.plan)
        except ExportError as error:
            self.failed[workload.title] = str(error)
            self.unexported += 1
            return False
        except AgentError as error:
            self.failed[workload.title] = str(error)
        else:
            store, plan = collection.store, collection.plan
            store.add_round(workload, self.environment, plan, one_round, self.role, self.repetition)
            rounds.append(one_round)
            self.ledger.add(one_round)
            if artifact.path.is_file() and artifact.path.stat().st_size > RELOADED_BYTES:
                collection.session.unload(artifact)
        self.made += 1
        return True


def _of_one_exporter(artifact: Artifact, reference: Artifact) -> Artifact:
    """The artifact, exported by the same runtime as the reference. Raises MeasurementConflict otherwise."""
    if (artifact.exporter, artifact.opset) != (reference.exporter, reference.opset):
        raise MeasurementConflict(
            f"{artifact.path} was exported by {artifact.exporter}, the reference by {reference.exporter}"
        )
    return artifact
