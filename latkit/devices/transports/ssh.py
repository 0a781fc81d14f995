"""The SSH transport: commands and files over one connection, by paramiko."""

from __future__ import annotations

import contextlib
import select
import shlex
import time
from collections.abc import Sequence

import paramiko

from latkit.devices.transports.base import Completed, Lines, Stream
from latkit.devices.transports.copies import CopyingByCommands
from latkit.devices.transports.ssh_connect import close_all, connect_all
from latkit.devices.transports.way import Ssh
from latkit.errors import DeadlineExceeded, DeviceError, DeviceGone

PIECE_BYTES = 32768
SLICE_S = 0.25
COMMAND_S = 60.0
TELL_PID = 'echo $$; exec "$@"'
"""The server ends no command when its channel closes, so each tells its process id first, to be killed by."""


class SshTransport(CopyingByCommands):
    """A machine reached by SSH. Files go through `cat`: that needs no SFTP server."""

    def __init__(self, transports: list[paramiko.Transport], name: str) -> None:
        self._transports = transports
        self._name = name
        self._streams: list[SshStream] = []

    @classmethod
    def connect(cls, way: Ssh, timeout_s: float) -> SshTransport:
        """Connect and log in. Raises Unreachable, HostKeyError, BadFile for the configuration."""
        return cls(connect_all(way, timeout_s), str(way))

    def run(self, argv: Sequence[str], timeout_s: float, stdin: bytes = b"") -> Completed:
        """Run a command; one that does not exist has 127 as its exit status, one ended by a signal -1."""
        deadline = time.monotonic() + timeout_s
        channel = self._execute(argv)
        command = _Command(channel, self._name)
        try:
            while not command.ended:
                stdin = command.feed(stdin)
                command.receive(
                    min(SLICE_S, deadline - time.monotonic()) if not (stdin and channel.send_ready()) else 0
                )
                if time.monotonic() > deadline and not command.ended:
                    raise DeadlineExceeded(f"{self._name}: {argv[0]} did not end within {timeout_s:g} s; it was killed")
        except BaseException:
            self.kill(command.pid)
            raise
        finally:
            channel.close()
        return Completed(channel.exit_status, bytes(command.out), bytes(command.err))

    def start(self, argv: Sequence[str]) -> Stream:
        """Start a command."""
        stream = SshStream(self, self._execute(argv), self._name)
        self._streams.append(stream)
        return stream

    def home(self) -> str:
        """The home folder of the user there."""
        return self.run(["printenv", "HOME"], COMMAND_S).checked("printenv HOME").stdout.decode().strip()

    def close(self) -> None:
        """Kill what was started, and close the connection and its jumps."""
        while self._streams:
            self._streams.pop().close()
        close_all(self._transports)

    def _execute(self, argv: Sequence[str]) -> paramiko.Channel:
        try:
            channel = self._transports[-1].open_session(timeout=COMMAND_S)
            channel.settimeout(COMMAND_S)
            channel.exec_command(shlex.join(["sh", "-c", TELL_PID, "sh", *argv]))
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise DeviceGone(f"{self._name}: the connection is lost: {error}") from error
        return channel

    def kill(self, pid: int | None) -> None:
        """Kill a process, and what it started where it leads a group. Never raises."""
        if pid is None or not self._transports[-1].is_active():
            return
        with contextlib.suppress(DeviceError, paramiko.SSHException, OSError, EOFError):
            channel = self._transports[-1].open_session(timeout=5)
            channel.settimeout(5)
            channel.exec_command(shlex.join(["sh", "-c", 'kill -9 "-$1"; kill -9 "$1"', "sh", str(pid)]))
            channel.status_event.wait(5)
            channel.close()


class _Command:
    """A command that runs, and what has arrived of it. Both outputs are drained, or it would stand still."""

    def __init__(self, channel: paramiko.Channel, name: str) -> None:
        self.channel = channel
        self.pid: int | None = None
        self.out, self.err = bytearray(), bytearray()
        self._name = name
        self._input_ended = False

    @property
    def ended(self) -> bool:
        """Whether the command has ended and all it said has arrived. Raises DeviceGone when it never will."""
        channel = self.channel
        if channel.recv_ready() or channel.recv_stderr_ready():
            return False
        if not channel.get_transport().is_active() and not channel.eof_received:
            raise DeviceGone(f"{self._name}: the connection is lost")
        return bool((channel.eof_received or channel.closed) and channel.exit_status_ready())

    def feed(self, stdin: bytes) -> bytes:
        """Send as much of stdin as goes now, and its end after it. Returns the rest."""
        channel = self.channel
        with contextlib.suppress(OSError):  # a command may end without reading all
            if stdin and channel.send_ready():
                stdin = stdin[channel.send(stdin[:PIECE_BYTES]) :]
            if not stdin and not self._input_ended:
                self._input_ended = True
                channel.shutdown_write()
        return stdin

    def receive(self, wait_s: float) -> None:
        """Wait that long for either output, and take what is there."""
        channel = self.channel
        if channel.eof_received and not channel.exit_status_ready():
            channel.status_event.wait(max(wait_s, 0))
        else:
            select.select([channel], [], [], max(wait_s, 0))
        while channel.recv_ready():
            self.out += channel.recv(PIECE_BYTES)
        while channel.recv_stderr_ready():
            self.err += channel.recv_stderr(PIECE_BYTES)
        if self.pid is None and b"\n" in self.out:
            line, _, rest = bytes(self.out).partition(b"\n")
            self.pid, self.out = int(line) if line.isdigit() else None, bytearray(rest)


class SshStream(Stream):
    """A command on the other machine, spoken to over its channel."""

    def __init__(self, transport: SshTransport, channel: paramiko.Channel, name: str) -> None:
        self._transport = transport
        self._channel = channel
        self._command = _Command(channel, name)
        self._out, self._err = Lines(), Lines()
        self._name = name

    def write_line(self, line: bytes) -> None:
        """Send a line."""
        try:
            self._channel.sendall(line + b"\n")
        except OSError as error:
            raise DeviceGone(f"{self._name}: the command no longer reads: {error}; {self.stderr_tail()}") from error

    def read_line(self, timeout_s: float) -> bytes:
        """The next line, of what both outputs brought until then."""
        deadline = time.monotonic() + timeout_s
        while (line := self._out.take()) is None:
            if self._ended():
                status = self.exit_status
                raise DeviceGone(
                    f"{self._name}: the command ended (status {status}); its last words: {self.stderr_tail()}"
                )
            left = deadline - time.monotonic()
            if left < 0:
                raise DeadlineExceeded(f"{self._name}: no line came within {timeout_s:g} s")
            self._receive(min(left, SLICE_S))
        return line

    @property
    def exit_status(self) -> int | None:
        """Exit status; -1 after a signal."""
        return self._channel.exit_status if self._channel.exit_status_ready() else None

    def stderr_tail(self) -> str:
        """The last lines of stderr."""
        with contextlib.suppress(OSError, ValueError, DeviceGone):
            self._receive(0)
        return self._err.tail()

    def close_input(self) -> None:
        """End the command's stdin."""
        with contextlib.suppress(OSError, EOFError):
            self._channel.shutdown_write()

    def close(self) -> None:
        """Kill the command and close the channel."""
        if self._channel.closed:
            return
        with contextlib.suppress(OSError, ValueError):
            if self._command.pid is None:
                self._receive(SLICE_S)
            if not self._channel.exit_status_ready():
                self._transport.kill(self._command.pid)
            self._receive(0)
        self._channel.close()

    def _ended(self) -> bool:
        return bool(self._command.ended)

    def _receive(self, wait_s: float) -> None:
        """Take what has arrived; the line with the process id is not the command's own."""
        command, channel = self._command, self._channel
        if channel.closed and not (channel.recv_ready() or channel.recv_stderr_ready()):
            return
        command.receive(wait_s)
        self._err.feed(bytes(command.err))
        self._err.forget()
        command.err.clear()
        if command.pid is not None:
            self._out.feed(bytes(command.out))
            command.out.clear()
