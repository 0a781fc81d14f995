"""Collecting: what a target still lacks, measured in randomly ordered sweeps of short visits; resumable."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from latkit.errors import AgentError, ExportError, MeasurementConflict
from latkit.measurements import Store
from latkit.progress import Progress, Silent
from latkit.runtimes import Artefact
from latkit.timing import (
    REFERENCE,
    Role,
    Setup,
    Subject,
    TimingPlan,
    Visit,
    is_settled,
    runs_alone,
    visit_reference_floor_s,
)

Exporter = Callable[[Subject], Artefact]
"""Gives the artefact of a subject for the target at hand, from the cache if it is there. Raises ExportError."""


class VisitingSession(Protocol):
    """What collecting needs of a session on a device."""

    def setup(self, artefact: Artefact, reference: Artefact) -> Setup:
        """What identifies the numbers this session gives."""

    def visit(self, artefact: Artefact, reference: Artefact, plan: TimingPlan) -> Visit:
        """Time an artefact for one visit, with the reference in turn."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection did."""

    subjects: int
    visits: int
    """Visits made now, those that failed among them."""
    already: int
    """Visits that were there before."""
    failed: Mapping[str, str]
    """Why each subject that could not be measured could not, by its title."""
    finished: bool
    """False where the time ran out first."""
    seconds: float
    inference_seconds: float
    """Sum of the wall time of every run, of subjects and references, those that warmed up among them."""

    def plus(self, later: Collected) -> Collected:
        """This collection and one made after it, of other subjects, as one."""
        return Collected(
            subjects=self.subjects + later.subjects,
            visits=self.visits + later.visits,
            already=self.already + later.already,
            failed={**self.failed, **later.failed},
            finished=later.finished,
            seconds=self.seconds + later.seconds,
            inference_seconds=self.inference_seconds + later.inference_seconds,
        )


@dataclass(frozen=True, slots=True)
class Collection:
    """Everything that stays the same while subjects are collected."""

    session: VisitingSession
    store: Store
    export: Exporter
    plan: TimingPlan = field(default_factory=TimingPlan)
    progress: Progress = field(default_factory=Silent)

    def run(
        self,
        subjects: Iterable[Subject],
        role: Role = "fit",
        repetition: int = 0,
        max_seconds: float | None = None,
        seed: int = 0,
    ) -> Collected:
        """Measure what the store lacks of these subjects, one commit per visit.

        Sweep after sweep visits every subject that still lacks that visit, in an order drawn anew, so that all of them
        see the same mixture of the device's moods (see docs/measuring.md). Then the subjects whose fastest visits
        still disagree get visits more. A subject that cannot be exported or that the runtime rejects is left out and
        named in the result; a device that fails raises DeviceError, with everything before it committed.
        `max_seconds` bounds the timing, not the exporting.
        """
        begun = time.monotonic()
        failed: dict[str, str] = {}
        artefacts = self._export_all(list(dict.fromkeys(subjects)), failed)
        reference = self.export(REFERENCE)
        setup = self._common_setup(artefacts, reference)
        known = self.store.visits(artefacts, setup, self.plan, role, repetition)
        seen = {subject: list(visits) for subject, visits in known.items()}
        quiet_s = self._quiet_reference_s(setup)
        already = sum(len(visits) for visits in seen.values())
        made, inference_ns, finished = 0, 0, True
        deadline = time.monotonic() + max_seconds if max_seconds is not None else float("inf")
        for subject, to_come in self._schedule(seen, failed, quiet_s, random.Random(f"{seed}/{already}")):
            if time.monotonic() > deadline:
                finished = False
                break
            try:
                visit = self.session.visit(artefacts[subject], reference, self.plan)
            except AgentError as error:
                failed[subject.title] = str(error)
            else:
                self.store.add_visit(subject, setup, self.plan, visit, role, repetition)
                seen[subject].append(visit)
                inference_ns += _inference_ns(visit)
            made += 1
            self.progress.advance("measuring", already + made, already + made + to_come, subject.title)
        return Collected(
            subjects=len(artefacts),
            visits=made,
            already=already,
            failed=failed,
            finished=finished,
            seconds=time.monotonic() - begun,
            inference_seconds=inference_ns / 1e9,
        )

    def _schedule(
        self, seen: Mapping[Subject, list[Visit]], failed: Mapping[str, str], quiet_s: float, rng: random.Random
    ) -> Iterator[tuple[Subject, int]]:
        """Whom to visit next, and how many visits are known to come after that; `seen` grows with every visit."""
        for sweep in range(self.plan.visits + self.plan.extra_visits):
            lacking = self._lacking(seen, sweep, quiet_s)
            rng.shuffle(lacking)
            later = sum(max(self.plan.visits - max(len(visits), sweep + 1), 0) for visits in seen.values())
            for number, subject in enumerate(lacking, start=1):
                if subject.title not in failed:
                    yield subject, len(lacking) - number + later

    def _quiet_reference_s(self, setup: Setup) -> float:
        """The reference's fastest visit among all that were ever made under this setup, in seconds; else infinity."""
        alone = runs_alone(self.store.target)
        known = (measurement.visits for measurement in self.store.measurements() if measurement.setup == setup)
        return min((visit_reference_floor_s(visit, alone) for visits in known for visit in visits), default=math.inf)

    def _lacking(self, seen: Mapping[Subject, list[Visit]], sweep: int, quiet_s: float) -> list[Subject]:
        """The subjects that take part in a sweep, counted from 0: those that have neither that visit nor settled."""
        alone = runs_alone(self.store.target)
        made = (visit_reference_floor_s(visit, alone) for visits in seen.values() for visit in visits)
        quiet_s = min([quiet_s, *made])
        return [
            subject
            for subject, visits in seen.items()
            if len(visits) <= sweep and not is_settled(visits, self.plan, quiet_s, alone)
        ]

    def _export_all(self, subjects: list[Subject], failed: dict[str, str]) -> dict[Subject, Artefact]:
        """Export before timing: on a machine that is both host and device, exporting would disturb."""
        artefacts: dict[Subject, Artefact] = {}
        for done, subject in enumerate(subjects, start=1):
            try:
                artefacts[subject] = self.export(subject)
            except ExportError as error:
                failed[subject.title] = str(error)
            self.progress.advance("exporting", done, len(subjects), subject.title)
        return artefacts

    def _common_setup(self, artefacts: dict[Subject, Artefact], reference: Artefact) -> Setup:
        """The setup of all artefacts, which one runtime exports alike. Raises MeasurementConflict if they are not."""
        setup = self.session.setup(reference, reference)
        for artefact in artefacts.values():
            if (artefact.exporter, artefact.opset) != (reference.exporter, reference.opset):
                raise MeasurementConflict(
                    f"{artefact.path} was exported by {artefact.exporter}, the reference by {reference.exporter}"
                )
        return setup


def _inference_ns(visit: Visit) -> int:
    """Time of all runs of a visit; of the timed ones alone where the agent does not tell."""
    told = visit.conditions.get("inference_ns")
    return told if isinstance(told, int) else sum(visit.wall_ns) + sum(visit.reference_wall_ns)
