"""A command on a machine reached by SSH, read and written line by line."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from latkit._io import one_line
from latkit.devices.transports.base import Lines, Stream
from latkit.devices.transports.faults import faults_as
from latkit.devices.transports.ssh.command import GRACE_S, Command, closed_after
from latkit.devices.transports.start_mark import RemoteProcess
from latkit.errors import DeadlineExceeded, DeviceGone, LatkitError

SLICE_S = 0.25
WRITE_S = 60.0
CLOSE_S = 5.0


class SshStream(Stream):
    """A command on the other machine, read and written over its channel."""

    def __init__(self, command: Command, name: str, kill: Callable[[RemoteProcess | None], None]) -> None:
        self._command = command
        self._channel = command.channel
        self._name = name
        self._kill = kill
        self._out, self._err = Lines(), Lines()

    def write_line(self, line: bytes) -> None:
        """Send a line. Raises DeadlineExceeded if the command reads no input."""
        rest, deadline = line + b"\n", time.monotonic() + WRITE_S
        with closed_after(self._channel.get_transport(), WRITE_S + GRACE_S), faults_as(self._no_longer_reads):
            try:
                while rest:
                    self._channel.settimeout(max(deadline - time.monotonic(), 0.001))
                    rest = rest[self._channel.send(rest) :]
            except TimeoutError:
                raise DeadlineExceeded(f"{self._name}: the command took no input for {WRITE_S:g} s") from None

    def read_line(self, timeout_s: float) -> bytes:
        """The next line, from what both outputs brought until then."""
        deadline = time.monotonic() + timeout_s
        while (line := self._out.take()) is None:
            if self._command.ended:
                self._receive(0)
                if (line := self._out.take()) is not None:
                    return line
                self._command.mark.check_found(self.exit_status, self._command.err)
                raise DeviceGone(
                    f"{self._name}: the command ended (status {self.exit_status}); "
                    f"its last words: {self._exit_message()}"
                )
            left = deadline - time.monotonic()
            if left < 0:
                raise DeadlineExceeded(f"{self._name}: no line came within {timeout_s:g} s{self._before_it_began()}")
            self._receive(min(left, SLICE_S))
        return line

    @property
    def exit_status(self) -> int | None:
        """Exit status; -1 after a signal."""
        return self._command.exit_status

    def stderr_tail(self) -> str:
        """The last lines of stderr."""
        with contextlib.suppress(LatkitError):
            self._receive(0)
        return self._err.tail() or self._command.err.decode(errors="replace").strip()

    def close_input(self) -> None:
        """End the command's stdin."""
        with contextlib.suppress(OSError, EOFError), closed_after(self._channel.get_transport(), CLOSE_S):
            self._channel.shutdown_write()

    def close(self) -> None:
        """Kill the command and close the channel."""
        if self._channel.closed:
            return
        with (
            contextlib.suppress(LatkitError),
            closed_after(self._channel.get_transport(), 4 * CLOSE_S),
            faults_as(self._no_longer_reads),
        ):
            with contextlib.suppress(LatkitError):
                self._receive(0 if self._command.mark.is_found else SLICE_S)
            if self.exit_status is None:
                self._kill(self._command.mark.process)
            with contextlib.suppress(LatkitError):
                self._receive(0)
            self._channel.close()

    def _receive(self, wait_s: float) -> None:
        """Receive what has arrived. What precedes the mark is not the command's own."""
        command, channel = self._command, self._channel
        if channel.closed and not (channel.recv_ready() or channel.recv_stderr_ready()):
            return
        with faults_as(self._no_longer_reads):
            command.receive(wait_s)
        if command.mark.is_found_on_stderr:
            self._err.feed(command.err)
            self._err.forget()
            command.err.clear()
        if command.mark.is_found:
            self._out.feed(command.out)
            command.out.clear()

    def _no_longer_reads(self, why: str) -> DeviceGone:
        return DeviceGone(f"{self._name}: the command no longer reads: {why}; {self._exit_message()}")

    def _exit_message(self) -> str:
        return one_line(self._err.tail() or self._command.err.decode(errors="replace"))

    def _before_it_began(self) -> str:
        mark = self._command.mark
        return "" if mark.is_found else f"; {mark.shell_prints(self._command.err)}"
