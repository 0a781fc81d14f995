"""SSH servers that lie, send without end or send nothing. Fakes: kill requests are only recorded."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import paramiko
import pytest

from latkit.devices.transports import Ssh, connect
from latkit.devices.transports.base import Lines
from latkit.devices.transports.ssh import transport as ssh
from latkit.devices.transports.ssh.connect import MAX_PACKET_BYTES
from latkit.devices.transports.start_mark import StartMark
from latkit.errors import DeadlineExceeded, DeviceGone, Unreachable
from latkit.testing.boards.board import Board
from latkit.testing.boards.fake_ssh import START, Recorder, fake_ssh, mark
from latkit.testing.boards.sshd import Sshd
from latkit.testing.host import free_port
from latkit.testing.sockets import listening
from tests.waiting import PATIENCE_S, check_deadline, ending_soon


def answering(*lines: str) -> Callable[[paramiko.Channel, str], None]:
    """Sends these lines for every command, with the command's own mark for MARK, and then waits."""

    def behave(channel: paramiko.Channel, command: str) -> None:
        text = "".join(f"{line}\n" for line in lines).encode().replace(b"MARK", mark(command))
        channel.sendall_stderr(mark(command) + b"\n")
        channel.sendall(text)
        channel.event.wait(PATIENCE_S)

    return behave


class TestProcessIds:
    @pytest.mark.parametrize(
        "lines",
        [
            ("1",),
            ("123456",),
            ("1 " + START,),
            ("Welcome", "123", "456"),
            ("7" * 5000,),
            ("MARK",),
            ("MARK x y",),
            (f"MARK -1 {START}",),
            (f"MARK {'7' * 5000} {START}",),
            (f"MAR K2 {START}",),
        ],
    )
    def test_no_number_but_that_behind_the_mark_is_taken(self, lines: tuple[str, ...], tmp_path: Path) -> None:
        recorder = Recorder(answering(*lines))
        with fake_ssh(tmp_path, recorder) as address, connect(address) as transport:
            check_deadline(DeadlineExceeded, "did not begin within DEADLINE", lambda s: transport.run(["true"], s))
            transport.start(["true"]).close()
        assert recorder.kills == []

    @pytest.mark.parametrize("pid", [0, 1, 2**22 + 1, 9999999999])
    def test_a_number_that_no_command_has(self, pid: int, tmp_path: Path) -> None:
        recorder = Recorder(answering(f"MARK {pid} {START}"))
        with (
            fake_ssh(tmp_path, recorder) as address,
            connect(address) as transport,
            pytest.raises(DeviceGone, match=f"expected the process id of a command, but found {pid}"),
        ):
            transport.run(["true"], PATIENCE_S)
        assert recorder.kills == []

    @pytest.mark.parametrize(
        "stat",
        ["", "x", START.replace("2 ", "3 ", 1), "2 (sh) S 1 2", START.replace("4242", "-4242"), "(" * 1000, ") " * 900],
    )
    def test_without_its_start_it_is_not_killed(self, stat: str, tmp_path: Path) -> None:
        recorder = Recorder(answering(f"MARK 2 {stat}"))
        with fake_ssh(tmp_path, recorder) as address, connect(address) as transport:
            check_deadline(DeadlineExceeded, "did not end within DEADLINE", lambda s: transport.run(["true"], s))
        assert recorder.kills == []

    def test_what_is_killed_is_checked_there(self, tmp_path: Path) -> None:
        recorder = Recorder(answering("1", f"MARK 2 {START}"))
        with fake_ssh(tmp_path, recorder) as address, connect(address) as transport:
            check_deadline(DeadlineExceeded, "it was killed", lambda s: transport.run(["true"], s))
        (kill,) = recorder.kills
        assert kill.endswith(" sh 2 4242")
        assert kill.index("/proc/$1/stat") < kill.index('[ "${20}" = "$t" ] || exit') < kill.index("kill -9")


class TestBounds:
    def test_lines_without_end(self) -> None:
        lines = Lines()
        for _ in range(16):
            lines.feed(bytes(2**20))
        with pytest.raises(DeviceGone, match="expected lines of at most 16 MiB"):
            lines.feed(b"x")
        assert lines.tail() == ""

    def test_unsolicited_lines_are_rejected(self) -> None:
        lines = Lines()
        for _ in range(32):
            lines.feed(b"\n" * 2**20)
        with pytest.raises(DeviceGone, match="expected lines of at most 16 MiB, but 32 MiB came"):
            lines.feed(b"\n")

    def test_lines(self) -> None:
        lines = Lines()
        for chunk in (b"on", b"e\n\ntwo\nth", b"", b"ree"):
            lines.feed(chunk)
        assert [lines.take() for _ in range(4)] == [b"one", b"", b"two", None]
        lines.feed(b"\n")
        assert [lines.take(), lines.take()] == [b"three", None]

    def test_the_tail_holds_the_last_lines(self) -> None:
        lines = Lines()
        lines.feed(b"".join(b"%d\n" % number for number in range(10_000)))
        lines.forget()
        assert lines.tail().splitlines() == [str(number) for number in range(9_980, 10_000)]

    def test_noise_without_end(self) -> None:
        with pytest.raises(DeviceGone, match="does not end"):
            StartMark("board").strip(bytearray(2**20 + 1), bytearray())

    def test_a_server_that_minds_no_window(self, tmp_path: Path) -> None:
        def flood(channel: paramiko.Channel, command: str) -> None:
            channel.out_window_size = 2**40
            while True:
                channel.sendall(bytes(32768))

        with fake_ssh(tmp_path, Recorder(flood)) as address, connect(address) as transport, pytest.raises(DeviceGone):
            transport.run(["true"], PATIENCE_S)


class TestSilence:
    def test_a_server_that_does_not_say_whether_it_runs_a_command(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ssh, "COMMAND_S", 0.2)
        monkeypatch.setattr(ssh, "GRACE_S", 0.3)
        done = threading.Event()

        class Silent(Recorder):
            def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
                done.wait()
                return False

        with fake_ssh(tmp_path, Silent(answering())) as address, connect(address) as transport:
            with ending_soon(), pytest.raises(DeviceGone, match="the connection is lost"):
                transport.run(["true"], 2 * PATIENCE_S)
            done.set()

    def test_an_agent_that_is_silent(self, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        place = tmp_path / "agent"
        monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
        config = sshd.write_config(tmp_path / "config", sshd.known_hosts, key=tmp_path / "none")
        config.write_text(config.read_text().replace("IdentitiesOnly yes", "IdentitiesOnly no"))
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(str(place))
            agent.listen()
            with pytest.raises(Unreachable, match=r"does not let root in \(ssh-agent cannot be asked: timed out\)"):
                connect(Ssh(host="board", config=str(config)), 1)


def speaking(content: bytes, drip: bytes = b"") -> Callable[[socket.socket], None]:
    def behave(sock: socket.socket) -> None:
        sock.sendall(content)
        while drip:
            sock.sendall(drip)
            time.sleep(0.05)
        while sock.recv(100):  # until the client has gone
            pass

    return behave


class TestOtherServers:
    @pytest.mark.parametrize(
        ("behave", "why"),
        [
            (speaking(b""), "did not shake hands within 1 s"),
            (speaking(b"SSH-2.0-x\r\n"), "did not shake hands within 1 s"),
            (speaking(b"", drip=b"x"), "did not shake hands within 1 s"),
            (speaking(b"", drip=b"hello\r\n"), "did not shake hands within 1 s"),
            (speaking(b"SSH-2.0-x\r\n" + struct.pack(">I", 2**32 - 4) + bytes(60)), "a packet of 42949672"),
            (speaking(b"SSH-2.0-x\r\n" + struct.pack(">I", MAX_PACKET_BYTES + 12) + bytes(60)), "more than was agreed"),
            (speaking(b"SSH-2.0-x\r\n" + os.urandom(100)), ""),
            (speaking(b"SSH-9.9-x\r\n"), "Incompatible version"),
            (speaking(b"\xff\xfe\r\n" * 101), ""),
        ],
    )
    def test_one_line_in_time(self, behave: Callable[[socket.socket], None], why: str, tmp_path: Path) -> None:
        (tmp_path / "config").touch()
        wait_s = PATIENCE_S if why and "did not" not in why else 1
        with (
            listening(behave) as port,
            ending_soon(),
            pytest.raises(Unreachable, match="expected an SSH server") as caught,
        ):
            connect(Ssh(host="127.0.0.1", port=port, config=str(tmp_path / "config")), wait_s)
        assert why in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
        assert str(caught.value).isprintable()

    def test_nothing_but_the_error_is_printed(self, tmp_path: Path) -> None:
        """paramiko logs the traceback of any error that ends a connection."""
        (tmp_path / "config").touch()
        code = (
            "import sys\nfrom latkit.devices.transports import Ssh, connect\nfrom latkit.errors import Unreachable\n"
            "try:\n    connect(Ssh(host='127.0.0.1', port=int(sys.argv[1]), config=sys.argv[2]), 5)\n"
            "except Unreachable:\n    print('refused')\n"
        )
        with listening(speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
            done = subprocess.run(
                [sys.executable, "-c", code, str(port), str(tmp_path / "config")],
                capture_output=True,
                check=False,
                timeout=2 * PATIENCE_S,
            )
        assert (done.stdout, done.stderr) == (b"refused\n", b"")


class TestManyKeys:
    def test_the_remedy_is_named(self, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        board = Board(sshd, tmp_path, free_port())
        board.config.write_text(
            board.config.read_text().replace("IdentitiesOnly yes", "").replace(str(sshd.key), str(tmp_path / "none"))
        )
        board.start()
        place = tmp_path / "agent"
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.DEVNULL)
        try:
            while not place.exists():
                time.sleep(0.05)
            monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
            for number in range(7):
                make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / f"{number}")]
                subprocess.run(make, check=True)
                subprocess.run(["ssh-add", "-q", str(tmp_path / f"{number}")], check=True)
            with pytest.raises(
                Unreachable,
                match=r"broke off the login after 6 keys .*Host board: IdentityFile PATH and IdentitiesOnly",
            ):
                connect(Ssh(host="board", config=str(board.config)))
        finally:
            agent.kill()
            agent.wait()
            board.kill()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request",
        struct.pack(">IB", 2**31, 12),
        struct.pack(">IBI", 9, 12, 2**31) + bytes(4),
    ],
)
def test_an_agent_that_lies_stops_nobody(
    answer: bytes, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a key of the configuration is accepted, the agent's keys are not needed."""
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    config = sshd.write_config(tmp_path / "config", sshd.known_hosts)
    config.write_text(config.read_text().replace("IdentitiesOnly yes", "IdentitiesOnly no"))

    def lie() -> None:
        with suppress(OSError):
            while True:
                connection, _ = agent.accept()
                with connection:
                    connection.recv(100)
                    connection.sendall(answer)

    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        lying = threading.Thread(target=lie)
        lying.start()
        with connect(Ssh(host="board", config=str(config))) as transport:
            assert transport.run(["true"], PATIENCE_S).exit_status == 0
        agent.shutdown(socket.SHUT_RDWR)
        lying.join(10)
