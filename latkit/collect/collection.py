"""The collection: sweeps of short visits over whatever the store still lacks."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from latkit.collect.collected import Collected, Ledger
from latkit.collect.supply import Exporter, Supply
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


class VisitingSession(Protocol):
    """What collecting needs of a session on a device."""

    def setup(self, artefact: Artefact, reference: Artefact) -> Setup:
        """What identifies the numbers this session gives."""

    def visit(self, artefact: Artefact, reference: Artefact, plan: TimingPlan) -> Visit:
        """Time an artefact for one visit, with the reference in turn."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Everything that stays the same while subjects are collected."""

    session: VisitingSession
    store: Store
    export: Exporter
    plan: TimingPlan = field(default_factory=TimingPlan)
    progress: Progress = field(default_factory=Silent)
    overlapping: bool = False
    """Whether artefacts are exported while the device is at work: not where it is this very machine."""
    scale: int = 0
    """See `Setup.scale`."""

    def setup(self) -> Setup:
        """What identifies the numbers of this collection. Raises DeviceError, ExportError."""
        reference = self.export(REFERENCE)
        return replace(self.session.setup(reference, reference), scale=self.scale)

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
        see the same mixture of the device's moods (see docs/measuring.md). Then the subjects that have not
        settled get visits more. A subject that cannot be exported or that the runtime rejects is left out and
        named in the result; a device that fails raises DeviceError, with everything before it committed.
        `max_seconds` bounds the timing, not what is exported before it.
        """
        begun = time.monotonic()
        wanted = list(dict.fromkeys(subjects))
        reference, setup = self.export(REFERENCE), self.setup()
        seen, quiet_s = self._known(wanted, setup, role, repetition)
        already = sum(len(visits) for visits in seen.values())
        failed: dict[str, str] = {}
        made, unexported, finished, ledger = 0, 0, True, Ledger()
        with Supply(self.export) as supply:
            self._begin_exports(supply, wanted)
            deadline = time.monotonic() + max_seconds if max_seconds is not None else math.inf
            for subject, to_come in self._schedule(seen, failed, quiet_s, random.Random(f"{seed}/{already}")):
                if time.monotonic() > deadline:
                    finished = False
                    break
                try:
                    artefact = _of_one_exporter(supply.artefact(subject), reference)
                    visit = self.session.visit(artefact, reference, self.plan)
                except ExportError as error:
                    failed[subject.title] = str(error)
                    unexported += 1
                    continue
                except AgentError as error:
                    failed[subject.title] = str(error)
                else:
                    self.store.add_visit(subject, setup, self.plan, visit, role, repetition)
                    seen[subject].append(visit)
                    ledger.add(visit)
                made += 1
                self.progress.advance("measuring", already + made, already + made + to_come, subject.title)
        return Collected(
            subjects=len(wanted) - unexported,
            visits=made,
            already=already,
            failed=failed,
            finished=finished,
            **ledger.columns(time.monotonic() - begun, supply.waited_s),
        )

    def _begin_exports(self, supply: Supply, subjects: Sequence[Subject]) -> None:
        if self.overlapping:
            supply.export_meanwhile(subjects)
        else:
            supply.export_all(subjects, self.progress)

    def _known(
        self, subjects: Sequence[Subject], setup: Setup, role: Role, repetition: int
    ) -> tuple[dict[Subject, list[Visit]], float]:
        """The visits that each subject has, and the reference's fastest ever under this setup, in seconds."""
        seen: dict[Subject, list[Visit]] = {subject: [] for subject in subjects}
        quiet_s, alone = math.inf, runs_alone(self.store.target)
        for known in self.store.measurements():
            if known.setup != setup:
                continue
            quiet_s = min([quiet_s, *(visit_reference_floor_s(visit, alone) for visit in known.visits)])
            if (known.plan, known.role, known.repetition) == (self.plan, role, repetition) and known.subject in seen:
                seen[known.subject] = list(known.visits)
        return seen, quiet_s

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


def _of_one_exporter(artefact: Artefact, reference: Artefact) -> Artefact:
    """The artefact, which one runtime exports as it does the reference. Raises MeasurementConflict if it did not."""
    if (artefact.exporter, artefact.opset) != (reference.exporter, reference.opset):
        raise MeasurementConflict(
            f"{artefact.path} was exported by {artefact.exporter}, the reference by {reference.exporter}"
        )
    return artefact
