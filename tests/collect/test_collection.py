"""Collecting with a session that answers at once: who is visited, how often, and in which order."""

from pathlib import Path

import pytest

from latkit.collect import Collection
from latkit.errors import AgentError, ExportError, MeasurementConflict
from latkit.measurements import Store
from latkit.ops import Op
from latkit.runtimes import Artefact
from latkit.timing import REFERENCE, Setup, Subject, TimingPlan, Visit
from tests.builders import SETUP, TARGET, conv, make_visit

OPS = [conv(8 * number) for number in range(1, 6)]


class ScriptedSession:
    """Answers every visit with times that the test gives, one number of nanoseconds per visit of an op."""

    def __init__(
        self, nanoseconds: dict[str, list[int]] | None = None, rejected: str = "", reference_ns: int = 1000
    ) -> None:
        self.nanoseconds = nanoseconds or {}
        self.reference_ns = reference_ns
        self.rejected = rejected
        self.visited: list[str] = []

    def setup(self, artefact: Artefact, reference: Artefact) -> Setup:
        assert reference.path == Path(REFERENCE.key)
        return SETUP

    def visit(self, artefact: Artefact, reference: Artefact, plan: TimingPlan) -> Visit:
        key = str(artefact.path)
        if key == self.rejected:
            raise AgentError("bad-model", "no such thing")
        self.visited.append(key)
        times = self.nanoseconds.get(key) or [5]
        wall_ns = [times.pop(0) if len(times) > 1 else times[0]]
        return make_visit(wall_ns, self.reference_ns, started_at=float(len(self.visited)))


def export(subject: Subject) -> Artefact:
    return Artefact(Path(subject.key), "0" * 64, "onnxruntime", "exporter 1", 17)


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path / "m.sqlite", TARGET) as opened:
        yield opened


def sweeps(visited: list[str]) -> list[list[str]]:
    return [visited[start : start + len(OPS)] for start in range(0, len(visited), len(OPS))]


def test_every_sweep_visits_everybody_once_in_an_order_of_its_own(store: Store) -> None:
    session = ScriptedSession()
    collected = Collection(session, store, export, TimingPlan(visits=4)).run(OPS)
    keys = sorted(op.key for op in OPS)
    assert [sorted(sweep) for sweep in sweeps(session.visited)] == [keys] * 4
    assert len({tuple(sweep) for sweep in sweeps(session.visited)}) > 1
    assert (collected.visits, collected.already, collected.finished) == (20, 0, True)


def test_extra_visits_go_to_those_that_disagree_until_they_agree(store: Store) -> None:
    noisy, hopeless = OPS[1], OPS[3]
    session = ScriptedSession({noisy.key: [1000, 1500, 1200, 1001, 1002], hopeless.key: [1000, 1100, 1200, 900, 800]})
    Collection(session, store, export, TimingPlan(visits=3, extra_visits=4)).run(OPS)
    counts = {op: session.visited.count(op.key) for op in OPS}
    assert counts == {OPS[0]: 3, noisy: 5, OPS[2]: 3, hopeless: 7, OPS[4]: 3}


def test_visits_that_agree_on_a_disturbed_device_are_not_enough(store: Store) -> None:
    plan = TimingPlan(visits=3, extra_visits=4)
    Collection(ScriptedSession(reference_ns=1000), store, export, plan).run(OPS[:1])
    disturbed = ScriptedSession(reference_ns=1200)
    Collection(disturbed, store, export, plan).run(OPS[1:2], role="validation")
    assert len(disturbed.visited) == 7
    quiet = ScriptedSession(reference_ns=1010)
    Collection(quiet, store, export, plan).run(OPS[1:2], role="validation", repetition=1)
    assert len(quiet.visited) == 3


def test_what_is_there_is_not_measured_again(store: Store) -> None:
    plan = TimingPlan(visits=3)
    Collection(ScriptedSession(), store, export, plan).run(OPS[:2])
    session = ScriptedSession()
    collected = Collection(session, store, export, plan).run(OPS)
    assert set(session.visited) == {op.key for op in OPS[2:]}
    assert (collected.visits, collected.already) == (9, 6)


def test_an_op_that_cannot_be_exported_or_run_is_left_out_and_named(store: Store) -> None:
    def export_all_but_one(subject: Subject) -> Artefact:
        if subject == OPS[0]:
            raise ExportError("cannot export it")
        return export(subject)

    session = ScriptedSession(rejected=OPS[1].key)
    collected = Collection(session, store, export_all_but_one, TimingPlan(visits=2)).run(OPS)
    assert collected.failed.keys() == {OPS[0].title, OPS[1].title}
    assert set(session.visited) == {op.key for op in OPS[2:]}
    assert collected.finished


def test_artefacts_of_two_exporters_do_not_mix(store: Store) -> None:
    def export_otherwise(subject: Subject) -> Artefact:
        version = 1 if subject == REFERENCE else 2
        return Artefact(Path(subject.key), "0" * 64, "onnxruntime", f"exporter {version}", 17)

    session = ScriptedSession()
    with pytest.raises(MeasurementConflict, match="exporter 2"):
        Collection(session, store, export_otherwise, TimingPlan()).run(OPS)
    assert not session.visited


def test_progress_counts_to_its_total(store: Store) -> None:
    told: list[tuple[str, int, int]] = []

    class Listener:
        def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
            told.append((phase, done, total))

    Collection(ScriptedSession(), store, export, TimingPlan(visits=2), Listener()).run(OPS)
    measuring = [(done, total) for phase, done, total in told if phase == "measuring"]
    assert measuring == [(number, 10) for number in range(1, 11)]
    assert told[-1] == ("measuring", 10, 10)


def test_the_same_subject_twice_is_measured_once(store: Store) -> None:
    session = ScriptedSession()
    same: list[Op] = [OPS[0], OPS[0]]
    assert Collection(session, store, export, TimingPlan(visits=2)).run(same).subjects == 1
    assert len(session.visited) == 2
