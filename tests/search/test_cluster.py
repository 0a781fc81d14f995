"""A search on two nodes of a Ray cluster on this machine, one of which is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from latkit.errors import UsageError
from latkit.search.goals import Goals
from latkit.search.loop import Budget, LoopOptions, search
from latkit.search.strategies import make_strategy
from tests.search.toy import ToyEvaluator, toy_space

ROOT = Path(__file__).parents[2]
PROGRAM_S = 240.0
"""The program's deadline; it takes 20 s on an idle machine."""


def run(options: LoopOptions) -> None:
    strategy = make_strategy("evolution", toy_space(), Goals.parse("score:max"), 0)
    search(strategy, ToyEvaluator(), Budget(40), options)


@pytest.mark.slow
def test_a_killed_node_and_a_worker_that_ends_lose_nothing_but_their_evaluation(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: the extra `cluster`")
    command = [sys.executable, "-m", "tests.search.cluster_run", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        (tmp_path / "log").open("wb") as log,  # no pipe: Ray's processes would hold it open
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True) as program,
    ):
        try:
            program.wait(PROGRAM_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
    assert program.returncode == 0, (tmp_path / "log").read_text()
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["measured"] == [1.0] * 8, "measured on the node that began the search"
    run(LoopOptions(tmp_path / "one.jsonl", batch=8))
    assert found["node"] == {"killed": [10], "failures": 0}
    assert (tmp_path / "cluster.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert found["worker"] == [number == 3 for number in range(12)]


def test_a_cluster_that_cannot_be_reached_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed: the extra `cluster`")

    def unreachable(**_: object) -> None:
        raise ConnectionError("nobody answers\nat all")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", unreachable)
    with pytest.raises(UsageError, match=r"expected a Ray cluster at 127.0.0.1:1, but found none") as raised:
        run(LoopOptions(batch=8, cluster="127.0.0.1:1"))
    assert "\n" not in str(raised.value)
