"""Artefacts before the timing, or meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from latkit.collect import Collection
from latkit.collect.supply import Supply
from latkit.errors import ExportError
from latkit.measurements import Store
from latkit.progress import Silent
from latkit.runtimes import Artefact
from latkit.timing import REFERENCE, Subject, TimingPlan, Visit
from tests.builders import TARGET
from tests.collect.test_collection import OPS, ScriptedSession, export


def test_everything_is_exported_before_the_first_is_asked_for() -> None:
    made: list[Subject] = []

    def noting(subject: Subject) -> Artefact:
        made.append(subject)
        return export(subject)

    with Supply(noting) as supply:
        supply.export_all(OPS, Silent())
        assert made == OPS
        assert supply.artefact(OPS[3]) == export(OPS[3])
        assert supply.waited_s > 0


def test_meanwhile_what_is_asked_for_comes_first() -> None:
    made: list[Subject] = []
    may_go_on, first_begun = threading.Event(), threading.Event()

    def slowly(subject: Subject) -> Artefact:
        made.append(subject)
        first_begun.set()
        assert may_go_on.wait(10)
        return export(subject)

    with Supply(slowly) as supply:
        supply.export_meanwhile(OPS)
        assert first_begun.wait(10)
        threading.Timer(0.05, may_go_on.set).start()
        assert supply.artefact(OPS[4]) == export(OPS[4])
        assert made[:2] == [OPS[0], OPS[4]]
        assert supply.waited_s >= 0.04


def test_an_error_reaches_whoever_asks_and_nobody_else() -> None:
    def failing(subject: Subject) -> Artefact:
        if subject == OPS[0]:
            raise ExportError("cannot export it")
        if subject == OPS[1]:
            raise ZeroDivisionError
        return export(subject)

    with Supply(failing) as supply:
        supply.export_meanwhile(OPS)
        assert supply.artefact(OPS[2]) == export(OPS[2])
        for subject, error in ((OPS[0], ExportError), (OPS[1], ZeroDivisionError)):
            with pytest.raises(error):
                supply.artefact(subject)


def test_after_the_end_nothing_more_is_exported() -> None:
    made: list[Subject] = []
    with Supply(lambda subject: made.append(subject) or export(subject)) as supply:  # type: ignore[func-returns-value]
        supply.export_meanwhile(OPS)
        supply.artefact(OPS[0])
    count = len(made)
    assert made.count(OPS[0]) == 1
    assert count <= len(OPS)


def test_a_collection_times_while_it_exports(tmp_path: Path) -> None:
    exported: list[Subject] = []
    first_visit = threading.Event()

    class Session(ScriptedSession):
        def visit(self, artefact: Artefact, reference: Artefact, plan: TimingPlan) -> Visit:
            first_visit.set()
            return super().visit(artefact, reference, plan)

    def noting(subject: Subject) -> Artefact:
        if subject != REFERENCE:
            exported.append(subject)
            assert len(exported) < len(OPS) or first_visit.wait(10), "the last is exported after the first visit"
        return export(subject)

    with Store(tmp_path / "m.sqlite", TARGET) as store:
        collected = Collection(Session(), store, noting, TimingPlan(visits=2), overlapping=True).run(OPS)
    assert (collected.visits, collected.subjects, collected.failed) == (10, 5, {})
    assert sorted(op.key for op in exported) == sorted(op.key for op in OPS)
