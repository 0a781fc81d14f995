"""The ADB transport: a phone, by adb-shell over TCP or by adbutils through the local adb server."""

from __future__ import annotations

import contextlib
import secrets
import shlex
import struct
import time
from collections.abc import Sequence

from latkit.devices.transports.adb_channel import Adbd, Channel, ServiceRefused
from latkit.devices.transports.adb_process import NOTHING, Exec, Process, ShellV2
from latkit.devices.transports.base import Completed, Lines, Stream
from latkit.devices.transports.copies import CopyingByCommands
from latkit.devices.transports.sockets import DEAD_S
from latkit.devices.transports.way import PHONE_HOME, Adb
from latkit.errors import DeadlineExceeded, DeviceError, DeviceGone

SLICE_S = 0.25
KILL_S = 5.0
WRITE_S = 30.0
SYNC_BYTES = 65536
"""The most that adbd takes in one piece of a file."""
SYNC_LENGTH = struct.Struct("<L")


class AdbTransport(CopyingByCommands):
    """A phone. Files go through `cat`, so that a copy can be taken up where it broke off."""

    def __init__(self, adbd: Adbd, name: str, scratch: str = PHONE_HOME, shell_v2: bool = True) -> None:
        """`scratch`: folder on the phone that may be written to; `shell_v2`: whether to try what Android 7 brought."""
        self._adbd = adbd
        self._name = name
        self._scratch = scratch
        self._shell_v2 = shell_v2
        self._streams: list[AdbStream] = []
        self._out_of_reach = False

    @classmethod
    def connect(cls, way: Adb, timeout_s: float) -> AdbTransport:
        """Connect and authenticate. Raises Unreachable saying what to do."""
        return cls(_adbd(way, timeout_s), str(way))

    def run(self, argv: Sequence[str], timeout_s: float, stdin: bytes = b"") -> Completed:
        """Run a command; one that does not exist has 127 as its exit status, one ended by a signal 128 and more."""
        deadline = time.monotonic() + timeout_s
        process = self._process(argv, stdin)
        rest: bytes | None = stdin
        try:
            while not process.ended:
                rest = process.feed(rest)
                process.receive(min(SLICE_S, deadline - time.monotonic()))
                if time.monotonic() > deadline and not process.ended:
                    raise DeadlineExceeded(f"{self._name}: {argv[0]} did not end within {timeout_s:g} s; it was killed")
            if process.exit_status is None:
                raise DeviceGone(f"{self._name}: {argv[0]} was cut off")
        except BaseException:
            self.kill(process)
            raise
        finally:
            process.channel.close()
        return Completed(process.exit_status, bytes(process.out), bytes(process.err))

    def start(self, argv: Sequence[str]) -> Stream:
        """Start a command."""
        stream = AdbStream(self, self._process(argv, None), self._name)
        self._streams.append(stream)
        return stream

    def home(self) -> str:
        """The one folder of an unrooted phone that its shell may write to and execute from."""
        return PHONE_HOME

    def close(self) -> None:
        """Kill what was started, and close the connections."""
        while self._streams:
            self._streams.pop().close()
        self._adbd.close()

    def kill(self, process: Process) -> None:
        """Kill a command and what it started, and remove its files. Never raises."""
        if not process.pid or process.ended or self._out_of_reach:
            return
        script = f"kill -9 -{process.pid}; kill -9 {process.pid}; rm -f {shlex.join(process.files)}"
        deadline = time.monotonic() + KILL_S
        try:
            channel = self._adbd.open(f"{'shell,v2,raw' if self._shell_v2 else 'exec'}:{script}")
            while channel.receive(SLICE_S) is not None and time.monotonic() < deadline:
                continue
            channel.close()
        except DeviceError:
            self._out_of_reach = True  # or each command that is left would wait as long in vain

    def _process(self, argv: Sequence[str], stdin: bytes | None) -> Process:
        """The command, started. Where its stdin is given as a whole, `feed` is still to be called with it."""
        if self._shell_v2:
            with contextlib.suppress(ServiceRefused):
                return ShellV2(self._adbd, argv)
            self._shell_v2 = False
        return Exec(self._adbd, argv, self._scratch, None if stdin is None else self._stash(stdin))

    def _stash(self, content: bytes) -> str:
        """A file on the phone with that content."""
        if not content:
            return NOTHING
        path = f"{self._scratch}/.latkit-{secrets.token_hex(8)}"
        channel = self._adbd.open("sync:")
        try:
            _send_file(channel, path, content)
        finally:
            channel.close()
        return path


class AdbStream(Stream):
    """A command on the phone, spoken to over a channel of its own."""

    def __init__(self, transport: AdbTransport, process: Process, name: str) -> None:
        self._transport = transport
        self._process = process
        self._name = name
        self._out, self._err = Lines(), Lines()
        self._closed = False

    def write_line(self, line: bytes) -> None:
        """Send a line."""
        if self._closed or self._process.ended:
            raise DeviceGone(f"{self._name}: the command no longer reads; {self.stderr_tail()}")
        deadline = time.monotonic() + WRITE_S
        self._process.send(line + b"\n")
        while self._process.channel.unsent_bytes and not self._process.ended:
            self._receive(SLICE_S)
            if time.monotonic() > deadline:
                raise DeadlineExceeded(f"{self._name}: the command took no input for {WRITE_S:g} s")

    def read_line(self, timeout_s: float) -> bytes:
        """The next line, of what both outputs brought until then."""
        deadline = time.monotonic() + timeout_s
        while (line := self._out.take()) is None:
            if self._closed or self._process.ended:
                status, words = self.exit_status, self._err.tail()
                raise DeviceGone(f"{self._name}: the command ended (status {status}); its last words: {words}")
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
        """The last lines of stderr; of an old phone's, once the command has ended."""
        with contextlib.suppress(DeviceGone):
            self._receive(0)
        return self._err.tail()

    def close_input(self) -> None:
        """End the command's stdin. On an old phone that gives up the stream."""
        with contextlib.suppress(DeviceGone):
            self._process.end_input()

    def close(self) -> None:
        """Kill the command and close the channel."""
        if self._closed:
            return
        with contextlib.suppress(DeviceGone):
            self._receive(0 if self._process.pid else SLICE_S)
        self._closed = True
        self._transport.kill(self._process)
        self._process.channel.close()

    def _receive(self, wait_s: float) -> None:
        """Take what has arrived; the line with the process id is not the command's own."""
        process = self._process
        if self._closed or process.ended:
            return
        process.receive(wait_s)
        self._err.feed(bytes(process.err))
        self._err.forget()
        process.err.clear()
        if process.pid is not None:
            self._out.feed(bytes(process.out))
            process.out.clear()


def _adbd(way: Adb, timeout_s: float) -> Adbd:
    """The way to the phone's adbd. A phone that wants TLS is reached through the server, if that is connected to it."""
    if way.host is not None and way.port is not None:
        from latkit.devices.transports.adb_direct import DirectAdbd, NeedsTls

        try:
            return DirectAdbd(way.host, way.port, timeout_s)
        except NeedsTls as error:
            needs_tls = error
        try:
            return _served(str(way))
        except DeviceError:
            raise needs_tls from None
    return _served(str(way))


def _served(serial: str) -> Adbd:
    from latkit.devices.transports.adb_server import ServerAdbd

    return ServerAdbd(serial)


def _send_file(channel: Channel, path: str, content: bytes) -> None:
    """Write a file by adb's own protocol for files, which has no such limits as a command's stdin on an old phone."""
    words = f"{path},{0o100600}".encode()
    channel.send(b"SEND" + SYNC_LENGTH.pack(len(words)) + words)
    for begin in range(0, len(content), SYNC_BYTES):
        piece = content[begin : begin + SYNC_BYTES]
        channel.send(b"DATA" + SYNC_LENGTH.pack(len(piece)) + piece)
    channel.send(b"DONE" + SYNC_LENGTH.pack(int(time.time())))
    answer, deadline = b"", time.monotonic() + DEAD_S
    while len(answer) < 4 and time.monotonic() < deadline:
        unsent_bytes = channel.unsent_bytes
        received = channel.receive(SLICE_S)
        answer += received or b""
        if channel.unsent_bytes < unsent_bytes:
            deadline = time.monotonic() + DEAD_S
        if received is None:
            break
    if not answer.startswith(b"OKAY"):
        raise DeviceError(f"writing {path} failed on the phone: {answer[8:].decode(errors='replace') or 'no answer'}")
