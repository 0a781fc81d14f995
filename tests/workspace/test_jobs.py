"""The records of jobs, as another process reads them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from latkit.errors import DeviceGone, LatkitError, NotMeasured, UsageError
from latkit.layout.jobs import FOLDER, MAX_ENDED, Job, JobRecord, jobs_of, recorded
from latkit.progress import SILENT, Callbacks

ROOT = Path(__file__).parents[2]
JOB = Job("collect", ("pi4/tflite-t4-fp32-b1",), "proxyless-tiny")


class Heard:
    """Receives progress."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int, str]] = []

    def advance(self, phase: str, done: int, total: int, text: str = "") -> None:
        self.steps.append((phase, done, total, text))


def only(root: Path) -> JobRecord:
    (record,) = jobs_of(root)
    return record


def test_a_job_is_recorded_while_it_runs_and_marked_at_its_end(tmp_path: Path) -> None:
    heard, messages = Heard(), list[str]()
    with recorded(tmp_path, JOB, Callbacks(heard, messages.append)) as callbacks:
        assert (only(tmp_path).state, only(tmp_path).phases) == ("running", ())
        callbacks.on_message("waiting for pi4")
        assert only(tmp_path).message == "waiting for pi4"
        callbacks.progress.advance("exporting", 0, 3)
        callbacks.progress.advance("measuring", 2, 8, "a \x1b[2J conv")
        callbacks.progress.advance("measuring", 3, 8)
    record = only(tmp_path)
    assert (record.state, record.message, record.pid) == ("finished", "", os.getpid())
    assert record.ended_at >= record.begun_at
    (exporting, measuring) = record.phases
    assert (exporting.name, measuring.name) == ("exporting", "measuring")
    assert (measuring.done, measuring.total, measuring.text) == (3, 8, r"a \x1b[2J conv")
    assert heard.steps[-1] == ("measuring", 3, 8, "")
    assert messages == ["waiting for pi4"]
    assert (tmp_path / ".latkit" / ".gitignore").read_text() == "*\n"


def test_the_record_is_replaced_at_most_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with recorded(tmp_path, JOB, SILENT) as callbacks:
        for step in range(30):
            now[0] += 0.1
            callbacks.progress.advance("measuring", step, 1000)
            (shown,) = only(tmp_path).phases or (None,)
            assert shown is None or step - shown.done <= 10
        assert only(tmp_path).phases[0].done in (20, 21, 22)
        assert only(tmp_path).phases[0].ends_at is not None
        callbacks.progress.advance("fitting", 0, 2)
        assert only(tmp_path).phases[-1].name == "fitting"  # a new phase is shown at once
        for number in range(100):
            callbacks.progress.advance(f"training {number}", 0, 2)
        assert only(tmp_path).phases[-1].name != "training 99"  # but not a hundred in the same second


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (DeviceGone("the cable was pulled"), "failed", "the cable was pulled"),
        (KeyboardInterrupt(), "interrupted", ""),
        (ZeroDivisionError(), "failed", "ZeroDivisionError"),
    ],
)
def test_an_error_is_recorded(tmp_path: Path, error: BaseException, state: str, message: str) -> None:
    def run() -> None:
        with recorded(tmp_path, JOB, SILENT) as callbacks:
            callbacks.progress.advance("measuring", 0, 8)
            raise error

    with pytest.raises(type(error)):
        run()
    assert (only(tmp_path).state, only(tmp_path).message) == (state, message)


@pytest.mark.parametrize("error", [UsageError("no such space"), NotMeasured("an op was not measured")])
def test_a_job_that_has_not_begun_leaves_nothing(tmp_path: Path, error: LatkitError) -> None:
    with pytest.raises(type(error)), recorded(tmp_path, JOB, SILENT):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_killed_job_has_died_and_a_later_process_of_its_id_is_another(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from latkit.layout.jobs import Job, recorded\n"
        "from latkit.progress import SILENT\n"
        "with recorded(Path(sys.argv[1]), Job('fit'), SILENT): os.kill(os.getpid(), signal.SIGKILL)"
    )
    argv = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False).returncode < 0
    killed = only(tmp_path)
    assert killed.state == "died"
    assert killed.model_copy(update={"pid": os.getpid()}).state == "died"  # our process began at another time
    assert killed.model_copy(update={"boot_id": "another"}).state == "died"
    elsewhere = killed.model_copy(update={"boot_id": "another", "host": "elsewhere"})
    assert elsewhere.state == "running"
    assert elsewhere.model_copy(update={"updated_at": 0.0}).state == "unknown"


def test_few_records_of_ended_jobs_are_kept(tmp_path: Path) -> None:
    for number in range(MAX_ENDED + 5):
        with recorded(tmp_path, Job("fit", name=str(number)), SILENT):
            pass
    assert [record.name for record in jobs_of(tmp_path)] == [str(n) for n in reversed(range(5, MAX_ENDED + 5))]


def test_a_record_that_cannot_be_written_or_read_disturbs_nothing(tmp_path: Path) -> None:
    (tmp_path / ".latkit").write_text("a file")
    with recorded(tmp_path, JOB, SILENT) as callbacks:
        callbacks.progress.advance("measuring", 1, 2)
    assert jobs_of(tmp_path) == []
    (tmp_path / ".latkit").unlink()
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "1.json").write_text('{"format": "latkit-job-1", "pid": "x"}')
    os.mkfifo(tmp_path / FOLDER / "2.json")
    (tmp_path / FOLDER / "3.json").write_text('{"a": ' + "[" * 100_000)
    assert jobs_of(tmp_path) == []


def test_one_of_several_processes_keeps_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with recorded(tmp_path, JOB, SILENT) as callbacks:
        assert callbacks is SILENT
    assert jobs_of(tmp_path) == []
