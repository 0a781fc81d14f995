"""Collecting with a session that answers at once: which workloads get a round, how many, and in which order."""

from dataclasses import replace
from pathlib import Path

import pytest

from latkit.errors import AgentError, ExportError, MeasurementConflict
from latkit.measurements import Store, select
from latkit.ops import Op
from latkit.profiling import Collection
from latkit.profiling.collector import RELOADED_BYTES
from latkit.runtimes import Artifact
from latkit.timing import REFERENCE, Environment, Round, TimingPlan, Workload
from tests.builders import ENVIRONMENT, TARGET, conv, make_round

OPS = [conv(8 * number) for number in range(1, 6)]


class ScriptedSession:
    """Answers every round with times that the test gives, one number of nanoseconds per round of an op."""

    def __init__(
        self, nanoseconds: dict[str, list[int]] | None = None, rejected: str = "", reference_ns: int = 1000
    ) -> None:
        self.nanoseconds = nanoseconds or {}
        self.reference_ns = reference_ns
        self.rejected = rejected
        self.preempted_rounds = 0
        """How many rounds, from the first, other processes disturb."""
        self.visited: list[str] = []
        self.unloaded: list[str] = []

    def environment(self, artifact: Artifact, reference: Artifact) -> Environment:
        assert reference.path == Path(REFERENCE.key)
        return ENVIRONMENT

    def measure_round(self, artifact: Artifact, reference: Artifact, plan: TimingPlan) -> Round:
        key = str(artifact.path)
        if key == self.rejected:
            raise AgentError("bad-model", "no such thing")
        self.visited.append(key)
        times = self.nanoseconds.get(key) or [5]
        wall_ns = [times.pop(0) if len(times) > 1 else times[0]]
        preemptions = [int(len(self.visited) <= self.preempted_rounds)]
        return make_round(wall_ns, self.reference_ns, float(len(self.visited)), preemptions)

    def unload(self, artifact: Artifact) -> None:
        self.unloaded.append(artifact.path.name)


def export(workload: Workload) -> Artifact:
    return Artifact(Path(workload.key), "0" * 64, "onnxruntime", "exporter 1", 17)


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path / "m.sqlite", TARGET) as opened:
        yield opened


def passes(visited: list[str]) -> list[list[str]]:
    return [visited[start : start + len(OPS)] for start in range(0, len(visited), len(OPS))]


def test_large_models_are_loaded_anew_for_every_round(store: Store, tmp_path: Path) -> None:
    def written(workload: Workload) -> Artifact:
        if workload == REFERENCE:
            return export(workload)
        path = tmp_path / ("large" if workload == OPS[0] else "small")
        with path.open("wb") as file:
            file.truncate(RELOADED_BYTES + (workload == OPS[0]))
        return replace(export(workload), path=path)

    session = ScriptedSession()
    Collection(session, store, written, TimingPlan(rounds=3)).run(OPS[:2])
    assert session.unloaded == ["large"] * session.visited.count(str(tmp_path / "large"))


def test_every_pass_measures_each_workload_once_in_its_own_order(store: Store) -> None:
    session = ScriptedSession()
    summary = Collection(session, store, export, TimingPlan(rounds=4)).run(OPS)
    keys = sorted(op.key for op in OPS)
    assert [sorted(pass_number) for pass_number in passes(session.visited)] == [keys] * 4
    assert len({tuple(pass_number) for pass_number in passes(session.visited)}) > 1
    assert (summary.rounds, summary.resumed, summary.finished) == (20, 0, True)


def test_extra_rounds_go_to_workloads_that_disagree_until_they_agree(store: Store) -> None:
    noisy, hopeless = OPS[1], OPS[3]
    session = ScriptedSession({noisy.key: [1000, 1500, 1200, 1001, 1002], hopeless.key: [1000, 1100, 1200, 900, 800]})
    Collection(session, store, export, TimingPlan(rounds=3, extra_rounds=4)).run(OPS)
    counts = {op: session.visited.count(op.key) for op in OPS}
    assert counts == {OPS[0]: 3, noisy: 5, OPS[2]: 3, hopeless: 7, OPS[4]: 3}


def test_rounds_that_agree_on_a_noisy_device_do_not_suffice(store: Store) -> None:
    plan = TimingPlan(rounds=3, extra_rounds=4)
    Collection(ScriptedSession(reference_ns=1000), store, export, plan).run(OPS[:1])
    busy_session = ScriptedSession(reference_ns=1200)
    Collection(busy_session, store, export, plan).run(OPS[1:2], role="validation")
    assert len(busy_session.visited) == 7
    is_idle = ScriptedSession(reference_ns=1010)
    Collection(is_idle, store, export, plan).run(OPS[1:2], role="validation", repetition=1)
    assert len(is_idle.visited) == 3


def test_what_other_processes_disturbed_is_measured_again(store: Store) -> None:
    plan = TimingPlan(rounds=7, extra_rounds=1)
    session = ScriptedSession()
    session.preempted_rounds = 12
    Collection(session, store, export, plan).run(OPS[:1])
    assert len(session.visited) == 2 * plan.rounds
    assert not select(store.measurements()).used
    assert "contended: 86%" in select(store.measurements()).reason_against(OPS[0])
    again = ScriptedSession()
    Collection(again, store, export, plan).run(OPS[:1])
    assert len(again.visited) == 4
    assert select(store.measurements()).reason_against(OPS[0]) == ""
    assert [measurement.workload for measurement in select(store.measurements()).used] == [OPS[0]]


def test_what_is_there_is_not_measured_again(store: Store) -> None:
    plan = TimingPlan(rounds=3)
    Collection(ScriptedSession(), store, export, plan).run(OPS[:2])
    session = ScriptedSession()
    summary = Collection(session, store, export, plan).run(OPS)
    assert set(session.visited) == {op.key for op in OPS[2:]}
    assert (summary.rounds, summary.resumed) == (9, 6)


def test_an_op_that_cannot_be_exported_or_run_is_left_out_and_named(store: Store) -> None:
    def export_all_but_one(workload: Workload) -> Artifact:
        if workload == OPS[0]:
            raise ExportError("cannot export it")
        return export(workload)

    session = ScriptedSession(rejected=OPS[1].key)
    summary = Collection(session, store, export_all_but_one, TimingPlan(rounds=2)).run(OPS)
    assert summary.failed.keys() == {OPS[0].title, OPS[1].title}
    assert set(session.visited) == {op.key for op in OPS[2:]}
    assert summary.finished


def test_artifacts_of_two_exporters_do_not_mix(store: Store) -> None:
    def export_otherwise(workload: Workload) -> Artifact:
        version = 1 if workload == REFERENCE else 2
        return Artifact(Path(workload.key), "0" * 64, "onnxruntime", f"exporter {version}", 17)

    session = ScriptedSession()
    with pytest.raises(MeasurementConflict, match="exporter 2"):
        Collection(session, store, export_otherwise, TimingPlan()).run(OPS)
    assert not session.visited


def test_progress_counts_to_its_total(store: Store) -> None:
    reported: list[tuple[str, int, int]] = []

    class Listener:
        def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
            reported.append((phase, done, total))

    Collection(ScriptedSession(), store, export, TimingPlan(rounds=2), Listener()).run(OPS)
    measuring = [(done, total) for phase, done, total in reported if phase == "measuring"]
    assert measuring == [(number, 10) for number in range(1, 11)]
    assert reported[-1] == ("measuring", 10, 10)


def test_a_workload_given_twice_is_measured_once(store: Store) -> None:
    session = ScriptedSession()
    same: list[Op] = [OPS[0], OPS[0]]
    assert Collection(session, store, export, TimingPlan(rounds=2)).run(same).workloads == 1
    assert len(session.visited) == 2
