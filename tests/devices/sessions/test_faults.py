"""Device faults at night: each ends in bounded time, and costs at most the round in flight."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from latkit.devices import Device, RecoveringSession, Session, SessionOptions, Ssh, open_session
from latkit.errors import DeviceError, DeviceFailing, DiskFull, MeasurementConflict
from latkit.measurements import Store
from latkit.ops import Op, make_op
from latkit.profiling import Collection, CollectionSummary
from latkit.runtimes import Artifact
from latkit.targets import Target
from latkit.testing.agents.faulty import faulty_python
from latkit.testing.boards.board import Board
from latkit.testing.boards.cable import cabled
from latkit.testing.boards.disk import enlarge, small_disk
from latkit.testing.boards.sshd import Sshd
from latkit.testing.host import free_port
from latkit.timing import REFERENCE, Environment, TimingPlan, Workload
from tests.devices.conftest import this_machine
from tests.devices.sessions.test_session import agent_pid

TARGET = Target("board", "onnxruntime")
PLAN = TimingPlan(rounds=3, round_s=0.05, round_runs=10**6, extra_rounds=0)
SILENCE_S = 30.0
"""Longer than a busy machine delays an agent's heartbeat."""
SHORT_SILENCE_S = 2.5
"""For tests in which an agent is silent."""
PAUSES_S = (0.0, 0.5, 1.0, 2.0)
OPS = [make_op("conv", (3, 8, 8), out_channels=channels) for channels in (4, 5, 6)]

Act = Callable[[], object]


class Run:
    """Collects three ops on a device, and does something to it at a certain round."""

    def __init__(self, device: Device, folder: Path, make_model: Callable[..., Artifact]) -> None:
        self.device = device
        self.folder = folder
        self.silence_s = SILENCE_S
        self.messages: list[str] = []
        self.artifacts: dict[Workload, Artifact] = {REFERENCE: make_model(8)}
        self.artifacts.update({op: make_model(16 + index) for index, op in enumerate(OPS)})
        self._acts: dict[int, tuple[Act, float | None]] = {}

    def at(self, one_round: int, act: Act, later_s: float | None = None) -> Run:
        """Do that after that many rounds; with `later_s`, that much later, in the middle of the next one."""
        self._acts[one_round] = (act, later_s)
        return self

    def opened(self) -> Session:
        return open_session(self.device, TARGET, SessionOptions(silence_s=self.silence_s))

    def collect(self, plan: TimingPlan = PLAN) -> CollectionSummary:
        self.folder.mkdir(exist_ok=True)
        with (
            RecoveringSession("board", self.opened, self.messages.append, pauses_s=PAUSES_S) as session,
            Store(self.folder / "measurements.sqlite", TARGET) as store,
        ):
            return Collection(session, store, self.artifacts.__getitem__, plan, self).run(OPS)

    def advance(self, phase: str, done: int, _total: int, _text: str = "") -> None:
        act, later_s = self._acts.pop(done, (None, None)) if phase == "measuring" else (None, None)
        if act is not None and later_s is None:
            act()
        elif act is not None:
            threading.Timer(later_s or 0, act).start()

    def rounds(self) -> dict[Op, int]:
        with Store(self.folder / "measurements.sqlite", TARGET) as store:
            return {m.workload: len(m.rounds) for m in store.measurements() if isinstance(m.workload, Op)}

    def complete(self) -> bool:
        """Whether every op has its rounds."""
        return self.rounds().keys() == set(OPS) and min(self.rounds().values()) >= PLAN.rounds

    def boots(self) -> list[object]:
        with Store(self.folder / "measurements.sqlite", TARGET) as store:
            rounds = [one_round for measurement in store.measurements() for one_round in measurement.rounds]
        return [
            one_round.conditions["boot_id"] for one_round in sorted(rounds, key=lambda one_round: one_round.started_at)
        ]


@pytest.fixture
def here(board: Device, sshd: Sshd, tmp_path: Path) -> Device:
    """This machine, by SSH."""
    return this_machine(board, tmp_path, Ssh(host="board", config=str(sshd.config)))


@pytest.fixture
def run(here: Device, tmp_path: Path, make_model) -> Run:
    return Run(here, tmp_path / "store", make_model)


@pytest.fixture
def wrong(here: Device, tmp_path: Path, make_model) -> tuple[Run, Path]:
    """A run on a device that fails as files in a folder define."""
    folder = tmp_path / "wrong"
    device = here.model_copy(update={"python": faulty_python(folder)})
    return Run(device, tmp_path / "store", make_model), folder


@pytest.fixture
def board_run(board: Device, sshd: Sshd, tmp_path: Path, make_model) -> Iterator[tuple[Run, Board]]:
    """A run over a server of its own."""
    server = Board(sshd, tmp_path, free_port())
    server.start()
    try:
        device = this_machine(board, tmp_path, Ssh(host="board", config=str(server.config)))
        yield Run(device, tmp_path / "store", make_model), server
    finally:
        server.kill()


class TestTheAgent:
    def test_the_agent_is_killed_between_and_during_rounds(self, run: Run) -> None:
        run.at(2, lambda: os.kill(agent_pid(run.device), signal.SIGKILL))
        run.at(5, lambda: os.kill(agent_pid(run.device), signal.SIGKILL), 0.0)
        summary = run.collect()
        assert not summary.failed
        assert run.complete()
        assert sum(run.rounds().values()) == summary.rounds, "nothing is lost, nothing is there twice"
        assert sum("the agent died" in text for text in run.messages) == 2
        assert 0 < summary.lost_seconds < summary.seconds
        assert run.messages[-1] == "board: measuring goes on"

    def test_is_stopped(self, run: Run) -> None:
        run.silence_s = SHORT_SILENCE_S
        run.at(2, lambda: os.kill(agent_pid(run.device), signal.SIGSTOP))
        assert not run.collect().failed
        assert run.complete()
        assert "no sign of life for 2.5 s" in "".join(run.messages)

    def test_speaks_garbage(self, wrong: tuple[Run, Path]) -> None:
        run, folder = wrong
        run.at(2, (folder / "garbage").touch)
        assert not run.collect().failed
        assert run.complete()
        assert "expected an agent's answer as a JSON object, but found" in run.messages[0]

    def test_has_too_little_memory_for_a_model(self, wrong: tuple[Run, Path], make_hungry) -> None:
        run, folder = wrong
        (folder / "memory").write_text(str(4 * 2**30))
        run.artifacts[OPS[1]] = make_hungry()
        summary = run.collect()
        assert summary.failed.keys() == {OPS[1].title}
        assert "reports memory" in summary.failed[OPS[1].title]
        assert run.rounds().keys() == {OPS[0], OPS[2]}

    def test_is_ended_by_a_model(self, wrong: tuple[Run, Path]) -> None:
        run, folder = wrong
        (folder / "segfault").write_text(run.artifacts[OPS[1]].sha256)
        summary = run.collect()
        assert summary.failed.keys() == {OPS[1].title}
        assert "crash: it ended the agent 2 times, and the reference did not" in summary.failed[OPS[1].title]
        assert run.rounds().keys() == {OPS[0], OPS[2]}
        (folder / "segfault").unlink()
        assert not run.collect().failed
        assert run.complete(), "what could not be measured is measured later"

    def test_dies_whatever_it_does(self, wrong: tuple[Run, Path]) -> None:
        run, folder = wrong
        run.at(2, lambda: (folder / "segfault").write_text("all"))
        with pytest.raises(
            DeviceFailing, match=r"board was given up after 3 faults in a row.* device doctor"
        ) as caught:
            run.collect()
        assert len(caught.value.faults) == 3
        assert sum(run.rounds().values()) == 2, "what was measured before is kept"
        (folder / "segfault").unlink()
        assert run.collect().resumed == 2
        assert run.complete()


class TestTheConnection:
    def test_the_connection_is_dropped(self, board_run: tuple[Run, Board]) -> None:
        run, server = board_run
        run.at(2, server.drop)
        run.at(4, server.drop, 0.03)
        summary = run.collect()
        assert not summary.failed
        assert run.complete()
        assert sum(run.rounds().values()) == summary.rounds

    def test_the_server_is_killed_and_started_again(self, board_run: tuple[Run, Board]) -> None:
        run, server = board_run
        restart = threading.Timer(1.0, server.start)
        run.at(2, lambda: (server.kill(), restart.start()))
        assert not run.collect().failed
        restart.join()
        assert run.complete()

    def test_the_server_stays_away(self, board_run: tuple[Run, Board]) -> None:
        run, server = board_run
        run.at(2, server.kill)
        with pytest.raises(DeviceFailing, match="everything measured before is kept"):
            run.collect()
        assert sum(run.rounds().values()) == 2
        server.start()
        assert not run.collect().failed
        assert run.complete()

    def test_the_cable_is_pulled(self, board: Device, sshd: Sshd, tmp_path: Path, make_model) -> None:
        with cabled() as cable:
            server = Board(sshd, tmp_path, 2222, cable)
            server.start()
            try:
                device = this_machine(board, tmp_path, Ssh(host="board", config=str(server.config)))
                run = Run(device, tmp_path / "store", make_model)
                run.silence_s = SHORT_SILENCE_S
                run.at(5, lambda: (cable.pull(), back.start()))  # by now all models are there: no push is cut off
                back = threading.Timer(4.0, cable.plug)
                assert not run.collect().failed
                back.join()
                assert run.complete()
                assert run.messages
            finally:
                server.kill()


class TestTheMachines:
    def test_the_device_is_booted(self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        boot = tmp_path / "boot_id"
        boot.write_text("first\n")
        monkeypatch.setattr("latkit.devices.sessions.session.BOOT_ID_FILE", str(boot))

        def reboot() -> None:
            boot.write_text("second\n")
            os.kill(agent_pid(run.device), signal.SIGKILL)

        run.at(4, reboot)
        assert not run.collect().failed
        assert any("board was rebooted" in text for text in run.messages)
        boots = run.boots()
        assert boots == ["first"] * 4 + ["second"] * (len(boots) - 4)
        assert len(boots) > 4

    def test_the_device_comes_back_with_another_runtime(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        environment = Session.environment

        def other(*arguments: Any) -> Environment:
            return dataclasses.replace(environment(*arguments), runtime_version="onnxruntime 0")

        def change() -> None:
            monkeypatch.setattr(Session, "environment", other)
            os.kill(agent_pid(run.device), signal.SIGKILL)

        run.at(4, change)
        with pytest.raises(MeasurementConflict, match="runtime_version"):
            run.collect()

    def test_the_devices_disk_is_full(self, run: Run, tmp_path: Path, make_model) -> None:
        with small_disk(tmp_path / "small", 1_500_000) as disk:
            run.device = run.device.model_copy(update={"folder": str(disk / "agent")})
            for index, op in enumerate(OPS):
                run.artifacts[op] = make_model(400 + index)
            with pytest.raises(DeviceError, match="No space left on device"):
                run.collect()
            assert not list(disk.rglob("*.part")), "nothing half is left"
            enlarge(disk)
            assert not run.collect().failed
            assert run.complete()

    def test_the_hosts_disk_is_full(self, run: Run, tmp_path: Path) -> None:
        with small_disk(tmp_path / "small", 140_000) as disk:
            run.folder = disk / "store"
            plan = TimingPlan(rounds=100, round_s=0.05)
            with pytest.raises(DiskFull, match="the disk is full; what was measured before is kept"):
                run.collect(plan)
            before = sum(run.rounds().values())
            assert before > 0
            enlarge(disk)
            assert run.collect(TimingPlan(rounds=1, round_s=0.05)).rounds >= len(OPS)

    def test_the_hosts_clock_is_set_back(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = itertools.count(10**9, -3600)
        monkeypatch.setattr(
            "latkit.devices.sessions.session.time",
            SimpleNamespace(time=lambda: float(next(clock)), monotonic=time.monotonic),
        )
        assert not run.collect().failed
        assert run.complete()
