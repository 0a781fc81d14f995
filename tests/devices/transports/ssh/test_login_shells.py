"""Boards whose login shell prints, is csh, has few commands, or forbids all commands: by a real sshd."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from latkit.devices.provisioning.wheels import Interpreter
from latkit.devices.transports import Ssh, Transport, connect
from latkit.devices.transports.ssh.transport import SshTransport
from latkit.devices.transports.start_mark import RemoteProcess
from latkit.errors import DeadlineExceeded, DeviceError, DeviceGone, Unreachable
from latkit.testing.boards.board import board_with_shell
from latkit.testing.boards.sshd import Sshd
from tests.devices.transports.test_transports import TransportConformance, alive
from tests.waiting import PATIENCE_S, check_deadline, soon

RUN = 'exec sh -c "$SSH_ORIGINAL_COMMAND"'
NOISES = {
    "lines": "echo Welcome; echo to; echo board 7; echo booked >&2",
    "a number": "echo 424242424; echo 1",
    "digits": "head -c 5000 /dev/zero | tr '\\0' 7; echo",
    "no newline": "printf 'last login: '; printf 12 >&2",
    "the command": 'echo "$SSH_ORIGINAL_COMMAND"; echo "$SSH_ORIGINAL_COMMAND" >&2',
    "one output": "exec 2>&1; echo hello",
    "bytes": "head -c 3000 /dev/urandom",
}

Board = Callable[..., Transport]


@pytest.fixture
def board(sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """Connects to a board with that script for a login shell."""
    with ExitStack() as stack:

        def board(script: str, *options: str) -> Transport:
            place = tmp_path_factory.mktemp("board")
            shell = place / "shell"
            shell.write_bytes(os.fsencode(f"#!/bin/sh\n{script}\n"))
            shell.chmod(0o755)
            address = stack.enter_context(board_with_shell(sshd, place, shlex.quote(str(shell)), *options))
            return stack.enter_context(connect(address))

        yield board


class TestTcsh(TransportConformance):
    """csh ends a quoted word at a newline, and replaces what follows an exclamation mark."""

    @pytest.fixture
    def transport(self, board: Board) -> Transport:
        if not shutil.which("tcsh"):
            pytest.skip("tcsh is missing: apt-get install tcsh")
        return board('exec tcsh -f -c "$SSH_ORIGINAL_COMMAND"')

    @pytest.fixture
    def home(self, sshd: Sshd) -> Path:
        return sshd.home

    def test_scripts_of_several_lines(self, transport: Transport) -> None:
        assert transport.run(["sh", "-c", "echo one\necho 'two!'\n"], PATIENCE_S).stdout == b"one\ntwo!\n"
        assert Interpreter.query(transport, "python3").version >= (3, 8)


class TestBusybox:
    """A board that has nothing but busybox: no printenv, no Python."""

    @pytest.fixture
    def transport(self, board: Board, tmp_path: Path) -> Transport:
        busybox = shutil.which("busybox")
        if not busybox:
            pytest.skip("busybox is missing: apt-get install busybox")
        applets = tmp_path / "bin"
        applets.mkdir()
        for name in subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split():
            (applets / name).symlink_to(busybox)
        return board(f'PATH={applets} exec {applets}/sh -c "$SSH_ORIGINAL_COMMAND"')

    def test_commands_and_files(self, transport: Transport, sshd: Sshd, tmp_path: Path) -> None:
        assert transport.run(["python3"], PATIENCE_S).exit_status == 127
        assert transport.home() == str(sshd.home)
        arguments = ["a b", "new\nline", "it's", "\\", "a!b"]
        assert transport.run(["printf", "%s|", *arguments], PATIENCE_S).stdout.decode() == "".join(
            f"{word}|" for word in arguments
        )
        source, back = tmp_path / "source", tmp_path / "back"
        source.write_bytes(os.urandom(300_001))
        transport.push(source, f"{tmp_path}/new folder/there")
        transport.pull(f"{tmp_path}/new folder/there", back)
        assert back.read_bytes() == source.read_bytes()

    def test_a_command_is_killed(self, transport: Transport) -> None:
        stream = transport.start(["sh", "-c", "echo $$; while true; do sleep 1; done"])
        pid = int(stream.read_line(PATIENCE_S))
        stream.close()
        assert soon(lambda: not alive(pid))


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_what_a_login_shell_prints_is_no_part_of_an_output(
    noise: str, board: Board, sshd: Sshd, tmp_path: Path
) -> None:
    transport = board(f"{noise}\n{RUN}")
    done = transport.run(["sh", "-c", "echo out; echo err >&2; exit 3"], PATIENCE_S)
    assert (done.exit_status, sorted(done.stdout.split() + done.stderr.split())) == (3, [b"err", b"out"])
    assert transport.home() == str(sshd.home)
    (tmp_path / "source").write_bytes(b"content")
    transport.push(tmp_path / "source", str(tmp_path / "there"))
    assert (tmp_path / "there").read_bytes() == b"content"
    stream = transport.start(["sh", "-c", "echo $$; read line; echo err >&2; exec sleep 600"])
    pid = int(stream.read_line(PATIENCE_S))
    stream.write_line(b"go on")
    assert soon(lambda: "err" in stream.stderr_tail() or noise == NOISES["one output"])
    stream.close()
    assert soon(lambda: not alive(pid))


@pytest.mark.parametrize(
    ("script", "status", "printed"),
    [
        ("echo This account is not available.; exit 1", 1, "its login shell prints: This account is not available."),
        ("printf 'first\\nsecond\\n' >&2; exit 254", 254, "its login shell prints: first second"),
        ("printf '\\033[2Jred'; exit 1", 1, r"its login shell prints: \\x1b\[2Jred"),
        ("exit 0", 0, "its login shell prints nothing"),
    ],
)
def test_a_login_shell_that_runs_nothing(script: str, status: int, printed: str, board: Board) -> None:
    transport = board(script)
    message = rf"the login shell there runs no command \(exit status {status}\); {printed}$"
    with pytest.raises(Unreachable, match=message):
        transport.home()
    stream = transport.start(["cat"])
    with pytest.raises(Unreachable, match=message):
        stream.read_line(PATIENCE_S)
    stream.close()


def test_a_login_shell_that_prints_without_end(board: Board) -> None:
    with pytest.raises(DeviceGone, match=r"its login shell prints: y y y .*, and does not end"):
        board("yes").run(["true"], PATIENCE_S)
    with pytest.raises(DeviceGone, match=r"its login shell prints: y y y .*, and does not end"):
        board("yes >&2").start(["true"]).read_line(PATIENCE_S)


def test_a_login_shell_that_never_comes_to_the_command(board: Board) -> None:
    transport = board("echo Which terminal?; exec sleep 600")
    printed = r"DEADLINE; its login shell prints: Which terminal\?"
    check_deadline(DeadlineExceeded, f"did not begin within {printed}", lambda s: transport.run(["true"], s))
    stream = transport.start(["true"])
    check_deadline(DeadlineExceeded, f"no line came within {printed}", stream.read_line)


@pytest.mark.parametrize("home", ["", "relative", "/tmp/\udcff", "/tmp/\x1b[2J"])
def test_a_home_that_cannot_be_used(home: str, board: Board) -> None:
    transport = board(f"HOME={shlex.quote(home)}\n{RUN}")
    with pytest.raises(DeviceError, match=r"expected the home folder there as an absolute path.*--agent-folder"):
        transport.home()


def test_a_folder_that_cannot_be_written_to(board: Board, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DeviceError, match=r"making /proc/home failed on the device: .*--agent-folder"):
        board(RUN).push(tmp_path / "file", "/proc/home/there")


def test_a_size_that_is_none(board: Board, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "wc").write_text("#!/bin/sh\necho many bytes\n")
    (tmp_path / "bin" / "wc").chmod(0o755)
    transport = board(f"PATH={tmp_path}/bin:$PATH\n{RUN}")
    (tmp_path / "file").write_text("content")
    with pytest.raises(DeviceError, match=r"expected the size of .* from wc -c on the device, but found b'many bytes"):
        transport.pull(str(tmp_path / "file"), tmp_path / "back")
    assert not (tmp_path / "back").exists()


class TestKilling:
    """Only the process that was started is ever killed. Those killed here are the tests' own."""

    @pytest.fixture
    def transport(self, sshd: Sshd) -> Iterator[SshTransport]:
        with connect(Ssh(host="board", config=str(sshd.config))) as transport:
            assert isinstance(transport, SshTransport)
            yield transport

    @pytest.fixture
    def own(self) -> Iterator[subprocess.Popen[bytes]]:
        with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
            yield process
            process.kill()

    def test_another_process_of_that_id_is_let_be(self, transport: SshTransport, own: subprocess.Popen[bytes]) -> None:
        stat = Path(f"/proc/{own.pid}/stat").read_text()
        started = int(stat.rpartition(") ")[2].split()[19])
        transport.kill(RemoteProcess(own.pid, started + 1))
        transport.run(["true"], PATIENCE_S)
        assert alive(own.pid)
        transport.kill(RemoteProcess(own.pid, started))
        assert soon(lambda: not alive(own.pid))
