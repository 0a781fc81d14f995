"""The SSH transport: commands and files over one connection, by paramiko."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Sequence

import paramiko

from latkit.devices.transports.base import (
    MAX_OUTPUT_BYTES,
    Completed,
    Stream,
    check_argv,
    check_output,
    checked_home,
)
from latkit.devices.transports.faults import faults_as
from latkit.devices.transports.shell_copy import CopyingByCommands
from latkit.devices.transports.ssh.address import Ssh
from latkit.devices.transports.ssh.command import GRACE_S, Command, closed_after, command_line
from latkit.devices.transports.ssh.connect import close_all, connect_all
from latkit.devices.transports.ssh.stream import SshStream
from latkit.devices.transports.start_mark import KILL, RemoteProcess, StartMark
from latkit.errors import DeadlineExceeded, DeviceGone, LatkitError

SLICE_S = 0.25
COMMAND_S = 60.0
KILL_S = 5.0


class SshTransport(CopyingByCommands):
    """A machine reached by SSH. Files are copied through `cat`, which needs no SFTP server."""

    def __init__(self, transports: list[paramiko.Transport], name: str) -> None:
        self._transports = transports
        self._name = name
        self._streams: list[SshStream] = []

    @classmethod
    def connect(cls, address: Ssh, timeout_s: float) -> SshTransport:
        """Connect and log in. Raises Unreachable, HostKeyError, BadFile for the configuration."""
        return cls(connect_all(address, timeout_s), str(address))

    def run(
        self, argv: Sequence[str], timeout_s: float, stdin: bytes = b"", max_bytes: int = MAX_OUTPUT_BYTES
    ) -> Completed:
        """Run a command. The exit status is 127 if it does not exist, and -1 if a signal ended it."""
        with closed_after(self._transports[-1], timeout_s + GRACE_S), faults_as(self._lost):
            return self._run(argv, timeout_s, stdin, max_bytes)

    def _run(self, argv: Sequence[str], timeout_s: float, stdin: bytes, max_bytes: int) -> Completed:
        deadline = time.monotonic() + timeout_s
        command = self._execute(argv)
        channel = command.channel
        try:
            while not command.ended:
                stdin = command.feed(stdin)
                command.receive(
                    min(SLICE_S, deadline - time.monotonic()) if not (stdin and channel.send_ready()) else 0
                )
                if len(command.out) + len(command.err) > max_bytes:
                    close_all(self._transports)  # its closed output ends it; further output is not read
                    check_output(self._name, argv[0], len(command.out) + len(command.err), max_bytes)
                if time.monotonic() > deadline and not command.ended:
                    raise self._late(command, argv[0], timeout_s)
            command.mark.check_found(command.exit_status, command.err)
        except BaseException:
            self.kill(command.mark.process)
            raise
        finally:
            command.close()
        return Completed(channel.exit_status, bytes(command.out), bytes(command.err))

    def _late(self, command: Command, name: str, timeout_s: float) -> DeadlineExceeded:
        if not command.mark.is_found:
            shell = command.mark.shell_prints(command.err)
            return DeadlineExceeded(f"{self._name}: {name} did not begin within {timeout_s:g} s; {shell}")
        return DeadlineExceeded(f"{self._name}: {name} did not end within {timeout_s:g} s; it was killed")

    def start(self, argv: Sequence[str]) -> Stream:
        """Start a command."""
        stream = SshStream(self._execute(argv), self._name, self.kill)
        self._streams.append(stream)
        return stream

    def home(self) -> str:
        """The home folder of the user there."""
        asking = ["sh", "-c", 'printf %s "$HOME"']  # small boards lack printenv
        return checked_home(self.run(asking, COMMAND_S).checked("asking for the home folder").stdout, self._name)

    def close(self) -> None:
        """Kill what was started, and close the connection and its jumps."""
        while self._streams:
            self._streams.pop().close()
        close_all(self._transports)

    def _execute(self, argv: Sequence[str]) -> Command:
        check_argv(argv)
        mark = StartMark(self._name)
        with closed_after(self._transports[-1], COMMAND_S + GRACE_S), faults_as(self._lost):
            channel = self._transports[-1].open_session(timeout=COMMAND_S)
            channel.settimeout(COMMAND_S)
            channel.exec_command(command_line(argv, mark))
        return Command(channel, mark, self._name)

    def _lost(self, why: str) -> DeviceGone:
        return DeviceGone(f"{self._name}: the connection is lost: {why}")

    def kill(self, process: RemoteProcess | None) -> None:
        """Kill a process and the group that it leads, if it still is the one that was started. Never raises."""
        if process is None or not self._transports[-1].is_active():
            return
        kill_command = ["sh", "-c", KILL, "sh", str(process.pid), str(process.started)]
        with (
            contextlib.suppress(LatkitError),
            closed_after(self._transports[-1], 3 * KILL_S),
            faults_as(self._lost),
        ):
            channel = self._transports[-1].open_session(timeout=KILL_S)
            channel.settimeout(KILL_S)
            channel.exec_command(shlex.join(kill_command))
            channel.status_event.wait(KILL_S)
            channel.close()
