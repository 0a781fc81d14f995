"""The loop: budgets, histories that survive kill -9, workers that raise or die."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from latkit.errors import BadFile, DeviceError, StoreBusy, UsageError
from latkit.search.evaluators import Verdict
from latkit.search.evaluators.cheap_first import CheapFirst
from latkit.search.goals import Goals
from latkit.search.history import Entry
from latkit.search.loop import Budget, LoopOptions, SearchOutcome, search
from latkit.search.strategies import make_strategy
from latkit.search.workers import Processes, Task
from latkit.spaces.base import Architecture
from tests.search.toy import ToyEvaluator, toy_space
from tests.waiting import PATIENCE_S

SPACE = toy_space()
GOALS = Goals.parse("score:max")


def run(
    path: Path | None, evaluations: float = 30, evaluator: ToyEvaluator | None = None, **options: int
) -> SearchOutcome:
    strategy = make_strategy("evolution", SPACE, GOALS, options.pop("seed", 0))
    return search(strategy, evaluator or ToyEvaluator(), Budget(evaluations), LoopOptions(path, **options))


def test_the_budget_is_spent_and_the_best_is_found(tmp_path: Path) -> None:
    outcome = run(tmp_path / "h.jsonl", 30)
    assert (len(outcome.entries), outcome.reason, outcome.failures) == (30, "budget", 0)
    assert outcome.best is not None
    assert outcome.best.verdict.quantities["score"] == max(e.verdict.quantities["score"] for e in outcome.entries)
    lines = (tmp_path / "h.jsonl").read_text().splitlines()
    assert len(lines) == 31
    assert json.loads(lines[0])["strategy"] == "evolution"


def test_epochs_are_a_budget_too() -> None:
    strategy = make_strategy("random", SPACE, GOALS)
    outcome = search(strategy, ToyEvaluator(), Budget(epochs=50))
    assert len(outcome.entries) == 6  # nine epochs each


def test_a_longer_budget_continues_a_history(tmp_path: Path) -> None:
    run(tmp_path / "short.jsonl", 12)
    outcome = run(tmp_path / "short.jsonl", 30)
    run(tmp_path / "long.jsonl", 30)
    assert outcome.resumed == 12
    assert (tmp_path / "short.jsonl").read_bytes() == (tmp_path / "long.jsonl").read_bytes()


@pytest.mark.slow
def test_the_number_of_workers_does_not_change_the_history(tmp_path: Path) -> None:
    for workers in (1, 2, 3):
        run(tmp_path / f"{workers}.jsonl", 25, batch=4, workers=workers)
    histories = {(tmp_path / f"{workers}.jsonl").read_bytes() for workers in (1, 2, 3)}
    assert len(histories) == 1
    assert not list(tmp_path.glob("*.early"))


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_line_that_was_cut_off_is_evaluated_again(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "h.jsonl"
    run(path, 20)
    complete = path.read_bytes()
    path.write_bytes(complete[:-cut])
    run(path, 20)
    assert path.read_bytes() == complete


KILLED = """
import sys
from tests.search.test_loop import run
from tests.search.toy import ToyEvaluator
from pathlib import Path
if __name__ == "__main__":
    workers, stands_at = map(int, sys.argv[3:])
    run(Path(sys.argv[1]), 40, ToyEvaluator(mark=sys.argv[2], stands_at=stands_at), batch=4, workers=workers)
"""


def check_gone(group: int) -> None:
    """The workers end with the process that was killed: they would keep its output open."""
    deadline = time.monotonic() + PATIENCE_S
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.05)
        pytest.fail("expected the workers to end with the killed process, but some are left")


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "moment"), [(1, 3), (1, 17), (1, 30), (4, 3), (4, 17), (4, 30)])
def test_kill_9_loses_at_most_what_is_in_flight(tmp_path: Path, workers: int, moment: int) -> None:
    history, mark, script = tmp_path / "h.jsonl", tmp_path / "mark", tmp_path / "killed.py"
    script.write_text(KILLED)
    stands_at = moment + 5  # or it would end before a busy machine notices that the moment has come
    argv = [sys.executable, str(script), str(history), str(mark), str(workers), str(stands_at)]
    env = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(argv, env=env, start_new_session=True)
    try:
        deadline = time.monotonic() + 2 * PATIENCE_S
        while not history.exists() or history.read_bytes().count(b"\n") <= moment:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    check_gone(process.pid)
    judged = len(mark.read_text().splitlines())
    run(history, 40, ToyEvaluator(mark=str(mark)), batch=4)
    again = len(mark.read_text().splitlines()) - 40
    assert judged < 40
    assert again <= workers
    run(tmp_path / "undisturbed.jsonl", 40, batch=4)
    assert history.read_bytes() == (tmp_path / "undisturbed.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("field", "value"), [("space_key", "other"), ("strategy", "random"), ("seed", 5), ("batch", 2)]
)
def test_the_history_of_another_search_is_refused_by_name(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "h.jsonl"
    run(path, 5)
    first, rest = path.read_text().split("\n", 1)
    path.write_text(json.dumps({**json.loads(first), field: value}) + "\n" + rest)
    before = path.read_bytes()
    with pytest.raises(BadFile, match=f"expected a history of {field} .* found {field} "):
        run(path, 10)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "line", ["{}", "[]", "x", '{"number": 7, "architecture": [0]}', '{"number": 0, "architecture": "a"}']
)
def test_a_damaged_history_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "h.jsonl"
    run(path, 2)
    header = path.read_text().splitlines()[0]
    path.write_text(f"{header}\n{line}\n")
    with pytest.raises(BadFile, match=r"the history of a search .*in line 2"):
        run(path, 5)


def test_a_verdict_out_of_the_evaluators_range_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    run(path, 3)
    path.write_text(path.read_text().replace('"score": ', '"score": 77'))
    with pytest.raises(BadFile, match=r"a search with score from 0 to 14, but found 77.* in verdict 0"):
        run(path, 5)


def test_early_verdicts_of_a_history_that_was_removed_are_not_used(tmp_path: Path) -> None:
    outcome = run(tmp_path / "h.jsonl", 3)
    wrong = Entry(1, outcome.entries[1].architecture, Verdict({"score": 99.0}, {"evaluations": 1.0}))
    (tmp_path / "new.jsonl.early").write_text(json.dumps(wrong.to_json()) + "\n")
    assert run(tmp_path / "new.jsonl", 3).entries == outcome.entries


def test_a_verdict_that_is_read_is_written_as_before() -> None:
    written = Verdict({"score": 3}, {"evaluations": 1}).to_json()
    assert json.dumps(Verdict.from_json(written).to_json()) == json.dumps(written)


def test_what_a_replay_does_not_repeat_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    run(path, 3)
    lines = path.read_text().splitlines()
    swapped = json.loads(lines[2]) | {"architecture": json.loads(lines[1])["architecture"]}
    path.write_text("\n".join([lines[0], lines[1], json.dumps(swapped)]) + "\n")
    with pytest.raises(BadFile, match="written by another version"):
        run(path, 5)


def test_a_history_is_written_by_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.touch()
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)  # as another process would
        with pytest.raises(StoreBusy, match="expected no other process that writes it"):
            run(path, 5)
        assert not path.read_bytes()
    assert len(run(path, 5).entries) == len(run(path, 5).entries) == 5


@pytest.mark.parametrize("workers", [1, 2])
def test_an_evaluation_that_raises_is_recorded_as_failed_and_the_search_goes_on(workers: int) -> None:
    failing = [entry.architecture for entry in run(None, 12).entries][3:5]
    outcome = run(None, 12, ToyEvaluator(fails=failing), workers=workers)
    assert len(outcome.entries) == 12
    assert outcome.failures == 2
    assert outcome.entries[3].verdict.failure == "ValueError: made to fail"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_wrong_evaluator_is_one_line(workers: int) -> None:
    lazy = ToyEvaluator()
    lazy.judge = lambda architectures, _effort: [{} for _ in architectures]  # type: ignore[method-assign]
    if workers == 1:
        outcome = run(None, 1, lazy)
        assert outcome.entries[0].verdict.failure == "TypeError: expected a Verdict of toy, but found dict"
    else:
        with pytest.raises(UsageError, match=r"expected an evaluator that can be pickled .*, but found toy: "):
            run(None, 2, lazy, workers=2)


class Unplugged(ToyEvaluator):
    """Its device is gone after some architectures."""

    def _judge(self, one: Architecture, effort: float) -> Verdict:
        if one in self.fails:
            raise DeviceError("the cable is out")
        return super()._judge(one, effort)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_device_that_is_gone_ends_the_search_which_can_be_resumed(tmp_path: Path, workers: int) -> None:
    expected = run(tmp_path / "undisturbed.jsonl", 9, batch=2)
    with pytest.raises(DeviceError, match="the cable is out"):
        run(tmp_path / "h.jsonl", 9, Unplugged(fails=[expected.entries[4].architecture]), workers=workers, batch=2)
    assert run(tmp_path / "h.jsonl", 9, batch=2).resumed >= 3
    assert (tmp_path / "h.jsonl").read_bytes() == (tmp_path / "undisturbed.jsonl").read_bytes()


@pytest.mark.slow
def test_a_worker_that_dies_fails_its_evaluation_and_loses_nothing_else(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    dying = [entry.architecture for entry in run(None, 12, batch=2).entries][3:4]
    outcome = run(None, 8, ToyEvaluator(dies=dying, mark=str(mark)), workers=2, batch=2)
    judged = [tuple(json.loads(line)) for line in mark.read_text().splitlines()]
    assert sorted(judged) == sorted(entry.architecture for entry in outcome.entries if entry.architecture not in dying)
    assert [bool(entry.verdict.failure) for entry in outcome.entries] == [n == 3 for n in range(8)]
    assert outcome.entries[3].verdict.failure == "the worker process died"


def test_no_more_processes_are_started_than_there_are_evaluations_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Mock(side_effect=lambda: Mock())
    monkeypatch.setattr(Processes, "_start_worker", start)
    workers = Processes(ToyEvaluator(), 100_000)
    for number in range(3):
        workers.submit(Task(number, (0, 0, 0, 0), None))
    assert start.call_count == 3


def test_what_a_cheap_bound_refuses_is_free_and_never_evaluated(tmp_path: Path) -> None:
    goals = Goals.parse("score:max", "size<=9")
    mark = tmp_path / "mark"
    evaluator = CheapFirst(ToyEvaluator(), ToyEvaluator(mark=str(mark)), goals)
    outcome = search(make_strategy("evolution", SPACE, goals), evaluator, Budget(evaluations=15))
    evaluated = [json.loads(line) for line in mark.read_text().splitlines()]
    assert len(evaluated) == 15 == sum(not entry.verdict.is_free for entry in outcome.entries)
    assert all(sum(x * x for x in one) <= 9 for one in evaluated)
    assert any(entry.verdict.is_free for entry in outcome.entries)


def test_an_evaluator_is_named_once_and_a_history_that_names_it_twice_continues(tmp_path: Path) -> None:
    assert CheapFirst(ToyEvaluator(), ToyEvaluator(), GOALS).name == "toy"
    path = tmp_path / "h.jsonl"
    run(path, 5)
    path.write_text(path.read_text().replace('"evaluator": "toy"', '"evaluator": "toy after toy"'))
    assert len(run(path, 10).entries) == 10


def test_goals_that_nothing_meets_end_the_search_with_the_nearest() -> None:
    goals = Goals.parse("score:max", "size<=-1")
    evaluator = CheapFirst(ToyEvaluator(), ToyEvaluator(), goals)
    outcome = search(make_strategy("evolution", SPACE, goals), evaluator, Budget(evaluations=15))
    assert (outcome.reason, outcome.best) == ("exhausted", None)
    assert outcome.nearest is not None
    assert outcome.nearest.architecture == (0, 0, 0, 0)


def test_only_the_last_effort_counts_for_the_best() -> None:
    strategy = make_strategy("halving", SPACE, GOALS, efforts=(1.0, 3.0, 9.0))
    outcome = search(strategy, ToyEvaluator(), Budget(epochs=120))
    efforts = [entry.effort for entry in outcome.entries]
    assert efforts.count(1.0) > efforts.count(3.0) > efforts.count(9.0) > 0
    assert outcome.best is not None
    assert outcome.best.effort == 9.0


def test_a_quantity_that_the_evaluator_does_not_give_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown quantity joules"):
        search(make_strategy("random", SPACE, Goals.parse("joules:min")), ToyEvaluator(), Budget(5))
