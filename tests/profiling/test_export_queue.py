"""Artifacts exported before the timing, or during it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from latkit.errors import ExportError
from latkit.measurements import Store
from latkit.profiling import Collection
from latkit.profiling.export_queue import ExportQueue
from latkit.progress import Silent
from latkit.runtimes import Artifact
from latkit.timing import REFERENCE, Round, TimingPlan, Workload
from tests.builders import TARGET
from tests.profiling.test_collector import OPS, ScriptedSession, export
from tests.waiting import PATIENCE_S, soon


def test_everything_is_exported_before_the_first_request() -> None:
    made: list[Workload] = []

    def noting(workload: Workload) -> Artifact:
        made.append(workload)
        return export(workload)

    with ExportQueue(noting) as export_queue:
        export_queue.export_all(OPS, Silent())
        assert made == OPS
        assert export_queue.artifact(OPS[3]) == export(OPS[3])
        assert export_queue.waited_s > 0


def test_a_requested_export_comes_before_the_others() -> None:
    made: list[Workload] = []
    may_go_on, first_begun = threading.Event(), threading.Event()

    def slowly(workload: Workload) -> Artifact:
        made.append(workload)
        first_begun.set()
        assert may_go_on.wait(PATIENCE_S)
        return export(workload)

    with ExportQueue(slowly) as export_queue:
        export_queue.export_in_background(OPS)
        assert first_begun.wait(PATIENCE_S)
        threading.Thread(target=lambda: soon(lambda: export_queue._pending[0] == OPS[4]) and may_go_on.set()).start()
        assert export_queue.artifact(OPS[4]) == export(OPS[4])
        assert made[:2] == [OPS[0], OPS[4]]
        assert export_queue.waited_s > 0


def test_an_error_reaches_only_the_caller_that_requested_the_export() -> None:
    def failing(workload: Workload) -> Artifact:
        if workload == OPS[0]:
            raise ExportError("cannot export it")
        if workload == OPS[1]:
            raise ZeroDivisionError
        return export(workload)

    with ExportQueue(failing) as export_queue:
        export_queue.export_in_background(OPS)
        assert export_queue.artifact(OPS[2]) == export(OPS[2])
        for workload, error in ((OPS[0], ExportError), (OPS[1], ZeroDivisionError)):
            with pytest.raises(error):
                export_queue.artifact(workload)


def test_after_the_end_nothing_more_is_exported() -> None:
    made: list[Workload] = []
    with ExportQueue(lambda workload: made.append(workload) or export(workload)) as export_queue:  # type: ignore[func-returns-value]
        export_queue.export_in_background(OPS)
        export_queue.artifact(OPS[0])
    count = len(made)
    assert made.count(OPS[0]) == 1
    assert count <= len(OPS)


def test_a_collection_times_while_it_exports(tmp_path: Path) -> None:
    exported: list[Workload] = []
    first_round = threading.Event()

    class Session(ScriptedSession):
        def measure_round(self, artifact: Artifact, reference: Artifact, plan: TimingPlan) -> Round:
            first_round.set()
            return super().measure_round(artifact, reference, plan)

    def noting(workload: Workload) -> Artifact:
        if workload != REFERENCE:
            exported.append(workload)
            assert len(exported) < len(OPS) or first_round.wait(PATIENCE_S), (
                "the last is exported after the first visit"
            )
        return export(workload)

    with Store(tmp_path / "m.sqlite", TARGET) as store:
        summary = Collection(Session(), store, noting, TimingPlan(rounds=2), overlapping=True).run(OPS)
    assert (summary.rounds, summary.workloads, summary.failed) == (10, 5, {})
    assert sorted(op.key for op in exported) == sorted(op.key for op in OPS)
