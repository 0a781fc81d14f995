"""A board at night: a real sshd with its own disk and boot id, a command that collects on it, and faults of both.

python -m benchmarks.night JOURNAL ARGUMENT...   `latkit ARGUMENT...`, with committed rounds noted in a journal
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latkit.cli import main as latkit
from latkit.devices import Ssh, add_device, lift_quarantine, quarantine_of
from latkit.measurements import Store
from latkit.targets import Target
from latkit.testing.agents.faulty import faulty_python
from latkit.testing.boards.board import Board
from latkit.testing.boards.cable import Cable
from latkit.testing.boards.sshd import Sshd
from latkit.timing import Round, Workload
from latkit.workspace import Workspace
from tests.builders import SMALL_SPACE

FOR_EVER = 10**6
"""Rounds of every op: more than fit into a night."""
EXTRA_ROUNDS = 3
"""This many rounds committed after a fault show that it was overcome; one may have been in flight."""
STUCK_S = 300.0


@dataclass(frozen=True)
class Suffered:
    """One fault: its kind, how long it took until rounds were committed again, and what that needed."""

    kind: str
    seconds: float
    outcome: str


@dataclass
class NightBoard:
    """A board, the workspace in which it is measured, and the command that does so."""

    name: str
    folder: Path
    disk: Path
    host_disk: Path
    server: Board
    boot: Path
    cable: Cable | None = None
    suffered: list[Suffered] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    """The last output of every command that ended before its time."""
    doctored: int = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> Target:
        """What is measured."""
        return Target(self.name, "onnxruntime")

    @property
    def journal(self) -> Path:
        """A line for every round that the store has committed."""
        return self.folder / "journal"

    @property
    def wrong(self) -> Path:
        """The folder whose files define the agent's faults."""
        return self.folder / "wrong"

    def begin(self) -> None:
        """Start the server, and register the board."""
        self.journal.touch()
        self.reboot()
        self.server.start()
        workspace = Workspace.init(self.host_disk)
        (self.folder / "space.toml").write_text(SMALL_SPACE)
        address = Ssh(host="board", config=str(self.server.config))
        device = add_device(
            workspace.devices_dir, self.name, address, python=sys.executable, agent_folder=f"{self.disk}/agent"
        )
        # a probe looks through the script to the interpreter behind it
        device.model_copy(update={"python": faulty_python(self.wrong)}).write(workspace.devices_dir, replace=True)

    def reboot(self) -> None:
        """Give the kernel another boot id."""
        self.boot.write_text(f"{uuid.uuid4()}\n")

    def collect_until(self, ended: threading.Event) -> None:
        """Keep a command collecting; whatever ended it, start it again, after the doctor if it requests that."""
        collect = ["collect", "space", str(self.target), "--space", str(self.folder / "space.toml"), "--networks", "2"]
        plan = ["--rounds", str(FOR_EVER), "--extra-rounds", "0", "--round-seconds", "0.1", "--json"]
        while not ended.is_set():
            with (self.folder / "said").open("wb") as output:
                self._process = self._start([*collect, *plan], output)
                while self._process.poll() is None and not ended.wait(0.1):
                    pass
            if not ended.is_set():
                self.endings.append(self._last_lines())
                self._see_the_doctor()
                ended.wait(1)
        self._end()

    def _start(self, arguments: list[str], output: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "benchmarks.night", str(self.journal), "-C", str(self.host_disk), *arguments]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=output, stdin=subprocess.DEVNULL)

    def _last_lines(self) -> str:
        process = self._process
        assert process is not None
        if process.returncode < 0:
            return f"killed by signal {-process.returncode}"
        lines = (self.folder / "said").read_text(errors="replace").strip().splitlines()
        return next((line for line in reversed(lines) if "error" in line), lines[-1] if lines else "")

    def _see_the_doctor(self) -> None:
        folder = self.host_disk / "devices"
        if quarantine_of(folder, self.name) is not None:
            with (self.folder / "doctor").open("ab") as output:
                self._start(["device", "doctor", self.name], output).wait(120)
            self.doctored += 1
            if quarantine_of(folder, self.name) is not None:
                lift_quarantine(folder, self.name)
                self.endings.append("the doctor did not lift the quarantine")

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def kill_command(self) -> None:
        """Kill the collecting command with SIGKILL."""
        if self._process is not None:
            self._process.kill()

    def agents(self) -> list[int]:
        """Process ids of the agents on this board, by their folder of models."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"{self.disk}/agent/models".encode() in (place / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(place.name))
        return found

    def signal_agents(self, number: signal.Signals) -> None:
        """Send a signal to the agent."""
        for pid in self.agents():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def models(self) -> list[Path]:
        """The models that were pushed."""
        return sorted(path for path in (self.disk / "agent" / "models").glob("*") if len(path.name) == 64)

    def committed(self) -> int:
        """How many rounds the store has committed."""
        return self.journal.read_bytes().count(b"\n")

    def suffer_until(self, end_s: float, rng: random.Random, only: Sequence[str] = ()) -> None:
        """One fault after another until that time of the monotonic clock, each overcome before the next."""
        kinds = [kind for kind in only or FAULTS if kind != "cable pulled" or self.cable]
        while True:
            pause_s, kind = rng.uniform(4, 12), rng.choice(kinds)
            if time.monotonic() + pause_s > end_s - 30:
                return
            time.sleep(pause_s)
            begun, ended, doctored = time.monotonic(), len(self.endings), self.doctored
            FAULTS[kind](self, rng)
            goal = self.committed() + EXTRA_ROUNDS
            while self.committed() < goal and time.monotonic() - begun < STUCK_S:
                time.sleep(0.02)
            outcome = "went on" if len(self.endings) == ended else "command started again"
            outcome = "doctor, command started again" if self.doctored > doctored else outcome
            outcome = outcome if self.committed() >= goal else "STUCK"
            (self.wrong / "segfault").unlink(missing_ok=True)
            self.suffered.append(Suffered(kind, time.monotonic() - begun, outcome))


def _one_of(models: list[Path], rng: random.Random) -> list[Path]:
    """One of them; None if a full disk has none left, and the agent has all of them loaded."""
    return [rng.choice(models)] if models else []


def _drop(board: NightBoard, _rng: random.Random) -> None:
    board.server.drop()


def _kill_server(board: NightBoard, rng: random.Random) -> None:
    board.server.kill()
    time.sleep(rng.uniform(0, 10))
    board.server.start()


def _kill_agent(board: NightBoard, _rng: random.Random) -> None:
    board.signal_agents(signal.SIGKILL)


def _stop_agent(board: NightBoard, _rng: random.Random) -> None:
    board.signal_agents(signal.SIGSTOP)


def _garbage(board: NightBoard, _rng: random.Random) -> None:
    (board.wrong / "garbage").touch()


def _crash(board: NightBoard, rng: random.Random) -> None:
    (board.wrong / "segfault").write_text(" ".join(model.name for model in _one_of(board.models(), rng)))
    time.sleep(5)


def _corrupt(board: NightBoard, rng: random.Random) -> None:
    for model in _one_of(board.models(), rng):
        model.write_bytes(rng.randbytes(1000))
    board.signal_agents(signal.SIGKILL)


def _reboot(board: NightBoard, rng: random.Random) -> None:
    board.reboot()
    board.server.kill()
    board.signal_agents(signal.SIGKILL)
    time.sleep(rng.uniform(2, 15))
    board.server.start()


def _fill_disk(board: NightBoard, _rng: random.Random) -> None:
    for model in board.models():
        model.unlink()
    _full(board.disk, board, lambda: board.signal_agents(signal.SIGKILL))


def _fill_host_disk(board: NightBoard, _rng: random.Random) -> None:
    _full(board.host_disk, board, lambda: None)


def _full(disk: Path, board: NightBoard, then: Callable[[], None]) -> None:
    """Fill a disk until the command has ended because of it, at most 20 s."""
    filler, ended, begun = disk / "filler", len(board.endings), time.monotonic()
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    then()
    while len(board.endings) == ended and time.monotonic() - begun < 20:
        time.sleep(0.05)
    filler.unlink()


def _pull_cable(board: NightBoard, rng: random.Random) -> None:
    assert board.cable is not None
    board.cable.pull()
    time.sleep(rng.uniform(2, 20))
    board.cable.plug()


def _kill_host(board: NightBoard, _rng: random.Random) -> None:
    board.kill_command()


FAULTS: dict[str, Callable[[NightBoard, random.Random], None]] = {
    "connection dropped": _drop,
    "SSH server killed": _kill_server,
    "agent killed": _kill_agent,
    "agent stopped": _stop_agent,
    "agent speaks garbage": _garbage,
    "a model ends the agent": _crash,
    "pushed file corrupted": _corrupt,
    "board booted": _reboot,
    "board's disk full": _fill_disk,
    "host's disk full": _fill_host_disk,
    "cable pulled": _pull_cable,
    "host process killed": _kill_host,
}


def night_board(
    name: str, sshd: Sshd, folder: Path, disks: tuple[Path, Path], port: int, cable: Cable | None = None
) -> NightBoard:
    """A board with a disk of its own, and one for its workspace; behind a cable, or on loopback."""
    boot = folder / "boot_id"
    boot.touch()
    return NightBoard(name, folder, *disks, Board(sshd, folder, port, cable, boot), boot, cable)


def journalled(path: Path) -> None:
    """Let every store of this process note its commits in a file."""
    journal, add_round = path.open("ab", buffering=0), Store.add_round

    def add_and_note(
        self: Store, workload: Workload, environment: Any, plan: Any, one_round: Round, *rest: Any
    ) -> None:
        add_round(self, workload, environment, plan, one_round, *rest)
        journal.write(f"{workload.key} {one_round.started_at!r}\n".encode())

    Store.add_round = add_and_note  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    journalled(Path(sys.argv[1]))
    sys.argv = ["latkit", *sys.argv[2:]]
    latkit()
