"""A command that runs on a phone: its output on stdout and stderr, its process id and exit status.

Phones since Android 7 offer the service `shell,v2`, which separates the outputs and reports the status. On older ones
the command writes stderr to a file, and its status follows its output, behind an unguessable mark.
"""

from __future__ import annotations

import re
import secrets
import shlex
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence

from latkit.devices.transports.adb.channel import Adbd, Channel
from latkit.devices.transports.faults import faults_as
from latkit.devices.transports.start_mark import StartMark
from latkit.errors import DeviceGone

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
"""Kinds of frames in shell protocol 2; each frame is its kind, the length of its content and the content."""
HEADER = struct.Struct("<BL")
MAX_FRAME_BYTES = 32768
MAX_UNSENT_BYTES = 2**20
NOTHING = "/dev/null"
MAX_READ_FRAME_BYTES = 2**21
"""adbd fills a frame from a buffer of at most 1 MiB."""
MAX_STATUS_BYTES = 100


class Process(ABC):
    """A command, and its output so far: `out` and `err` grow in `receive`, and are emptied by their readers."""

    def __init__(self, channel: Channel, mark: StartMark, name: str) -> None:
        self.channel = channel
        self.mark = mark
        """adbd makes the command the leader of a session and does not end it with its service: it has to be killed."""
        self.name = name
        """The phone's name, for messages."""
        self.exit_status: int | None = None
        self.out, self.err = bytearray(), bytearray()
        self.files: list[str] = []
        """Files on the phone that are useless after the command's end."""
        self.ended = False
        """Whether all output has arrived. Without a status then, the command was cut off."""

    def receive(self, wait_s: float) -> None:
        """Receive what arrives within that time. Raises DeviceGone."""
        chunk = self.channel.receive(wait_s)
        self.ended = self.ended or chunk is None
        with faults_as(lambda why: DeviceGone(f"{self.name}: expected a command's output, but found {why}")):
            self._understand(chunk or b"")
        self.mark.strip(self.out, self.err)

    def send(self, content: bytes) -> None:
        """Send bytes to its stdin."""
        self.channel.send(content)

    def feed(self, stdin: bytes | None) -> bytes | None:
        """Send as much of its stdin as may be queued, and its end after it. Returns the rest; None after the end."""
        if stdin is None or self.channel.unsent_bytes > MAX_UNSENT_BYTES:
            return stdin
        self.send(stdin[:MAX_UNSENT_BYTES])
        if len(stdin) > MAX_UNSENT_BYTES:
            return stdin[MAX_UNSENT_BYTES:]
        self.end_input()
        return None

    @abstractmethod
    def end_input(self) -> None:
        """End its stdin."""

    @abstractmethod
    def _understand(self, chunk: bytes) -> None: ...


class ShellV2(Process):
    """A command by the service `shell,v2`."""

    def __init__(self, adbd: Adbd, argv: Sequence[str], name: str) -> None:
        """Start it. Raises ServiceRefused on a phone that is too old, DeviceGone."""
        mark = StartMark(name)
        super().__init__(adbd.open(f"shell,v2,raw:{mark.script()}exec {shlex.join(argv)}"), mark, name)
        self._frames = bytearray()

    def send(self, content: bytes) -> None:
        """Send bytes, in frames."""
        for begin in range(0, len(content), MAX_FRAME_BYTES):
            chunk = content[begin : begin + MAX_FRAME_BYTES]
            self.channel.send(HEADER.pack(STDIN, len(chunk)) + chunk)

    def end_input(self) -> None:
        """End its stdin, by a frame."""
        self.channel.send(HEADER.pack(CLOSE_STDIN, 0))

    def _understand(self, chunk: bytes) -> None:
        self._frames += chunk
        begin = 0
        while len(self._frames) - begin >= HEADER.size:
            kind, length = HEADER.unpack_from(self._frames, begin)
            if length > MAX_READ_FRAME_BYTES:
                raise DeviceGone(f"{self.name}: expected a piece of output, but found one of {length} bytes")
            end = begin + HEADER.size + length
            if len(self._frames) < end:
                break
            self._frame(kind, bytes(self._frames[begin + HEADER.size : end]))
            begin = end
        del self._frames[:begin]

    def _frame(self, kind: int, content: bytes) -> None:
        if kind == STDOUT:
            self.out += content
        elif kind == STDERR:
            self.err += content
        elif kind == EXIT and content:
            self.exit_status, self.ended = content[0], True


class Exec(Process):
    """A command by the service `exec` of phones before Android 7. Its stdin ends with the service, or
    is a file there.
    """

    def __init__(self, adbd: Adbd, argv: Sequence[str], name: str, scratch: str, stdin_file: str | None = None) -> None:
        """Start it. `scratch` is a writable folder there. Raises ServiceRefused, DeviceGone."""
        mark = StartMark(name)
        self._mark = secrets.token_hex(16).encode()
        self._behind = False
        """Whether the mark was seen: what follows is the status, then stderr."""
        self._arrived = bytearray()
        errors = f"{scratch}/.latkit-{secrets.token_hex(8)}"
        files = [errors, *([stdin_file] if stdin_file not in (None, NOTHING) else [])]
        reading = f"< {shlex.quote(stdin_file)} " if stdin_file else ""
        script = (
            f"{mark.script(on_err=False)}{shlex.join(argv)} {reading}2> {shlex.quote(errors)}; "
            f"echo {self._mark.decode()} $?; cat {shlex.quote(errors)}; rm -f {shlex.join(files)}"
        )
        super().__init__(adbd.open(f"exec:{script}"), mark, name)
        mark.is_found_on_stderr = True
        self.files = files

    def feed(self, stdin: bytes | None) -> bytes | None:  # noqa: ARG002
        """Do nothing: it reads a file."""
        return None

    def end_input(self) -> None:
        """The protocol ends both directions at once, so the status is never known."""
        self.channel.close()
        self.ended = True

    def _understand(self, chunk: bytes) -> None:
        self._arrived += chunk
        if not self._behind:
            before, mark, after = bytes(self._arrived).partition(self._mark)
            if not mark and not self.ended:
                before, after = self._without_beginning(before)
            self.out += before
            self._arrived = bytearray(after)
            self._behind = bool(mark)
        if self._behind and self.exit_status is None:
            status, end, _ = bytes(self._arrived[: 2 * MAX_STATUS_BYTES]).partition(b"\n")
            if end and re.fullmatch(rb" [0-9]{1,3}\r?", status):
                del self._arrived[: len(status) + 1]
                self.exit_status = int(status)
            elif end or len(self._arrived) > MAX_STATUS_BYTES:
                raise DeviceGone(f"{self.name}: expected a command's exit status, but found {status[:40]!r}")
        if self.exit_status is not None:
            self.err += self._arrived
            self._arrived.clear()

    def _without_beginning(self, arrived: bytes) -> tuple[bytes, bytes]:
        """Split off the end that may be the beginning of the mark; the rest cannot belong to it."""
        lengths = range(min(len(arrived), len(self._mark) - 1), 0, -1)
        keep = next((length for length in lengths if self._mark.startswith(arrived[-length:])), 0)
        return arrived[: len(arrived) - keep], arrived[len(arrived) - keep :]
