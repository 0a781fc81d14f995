"""A command on a phone, read and written line by line."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from latkit._io import one_line
from latkit.devices.transports.adb.process import Process
from latkit.devices.transports.base import Lines, Stream
from latkit.errors import DeadlineExceeded, DeviceGone

SLICE_S = 0.25
WRITE_S = 30.0


class AdbStream(Stream):
    """A command on the phone, read and written over a channel of its own."""

    def __init__(self, process: Process, name: str, kill: Callable[[Process], None]) -> None:
        self._process = process
        self._name = name
        self._kill = kill
        self._out, self._err = Lines(), Lines()
        self._closed = False

    def write_line(self, line: bytes) -> None:
        """Send a line."""
        if self._closed or self._process.ended:
            raise DeviceGone(f"{self._name}: the command no longer reads; {one_line(self.stderr_tail())}")
        deadline = time.monotonic() + WRITE_S
        self._process.send(line + b"\n")
        while self._process.channel.unsent_bytes and not self._process.ended:
            self._receive(SLICE_S)
            if time.monotonic() > deadline:
                raise DeadlineExceeded(f"{self._name}: the command took no input for {WRITE_S:g} s")

    def read_line(self, timeout_s: float) -> bytes:
        """The next line, from what both outputs brought until then."""
        deadline = time.monotonic() + timeout_s
        while (line := self._out.take()) is None:
            if self._closed or self._process.ended:
                self._process.mark.check_found(self._process.exit_status, self._process.err)
                status, detail = self.exit_status, one_line(self.stderr_tail())
                raise DeviceGone(f"{self._name}: the command ended (status {status}); its last words: {detail}")
            left = deadline - time.monotonic()
            if left < 0:
                raise DeadlineExceeded(f"{self._name}: no line came within {timeout_s:g} s")
            self._receive(min(left, SLICE_S))
        return line

    @property
    def exit_status(self) -> int | None:
        """Exit status; 128 and more after a signal."""
        with contextlib.suppress(DeviceGone):
            self._receive(0)
        return self._process.exit_status

    def stderr_tail(self) -> str:
        """The last lines of stderr; on an old phone, only once the command has ended."""
        with contextlib.suppress(DeviceGone):
            self._receive(0)
        return self._err.tail() or self._process.err.decode(errors="replace").strip()

    def close_input(self) -> None:
        """End the command's stdin. On an old phone that closes the stream."""
        with contextlib.suppress(DeviceGone):
            self._process.end_input()

    def close(self) -> None:
        """Kill the command and close the channel."""
        if self._closed:
            return
        with contextlib.suppress(DeviceGone):
            self._receive(0 if self._process.mark.is_found else SLICE_S)
        self._closed = True
        self._kill(self._process)
        self._process.channel.close()

    def _receive(self, wait_s: float) -> None:
        """Receive what has arrived; what precedes the mark is not the command's own."""
        process = self._process
        if self._closed or process.ended:
            return
        process.receive(wait_s)
        if process.mark.is_found_on_stderr:
            self._err.feed(process.err)
            self._err.forget()
            process.err.clear()
        if process.mark.is_found:
            self._out.feed(process.out)
            process.out.clear()
