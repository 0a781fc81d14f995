"""The transport: how commands, files and streams reach a device. One small interface, one file per kind."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from latkit.errors import DeviceError

TAIL_LINES = 20
"""How many of the last lines of stderr are kept for a message."""


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command left behind. A command ended by a signal has its negative, or 128 and more, as its status."""

    exit_status: int
    stdout: bytes
    stderr: bytes

    def checked(self, what: str) -> Completed:
        """Itself if the command ended with 0, else DeviceError with the last words of its stderr."""
        if self.exit_status:
            words = self.stderr.decode(errors="replace").strip()[-500:] or "no message"
            raise DeviceError(f"{what} failed on the device with exit status {self.exit_status}: {words}")
        return self


class Lines:
    """Bytes that arrive in pieces, given out line by line."""

    def __init__(self) -> None:
        self._ready: deque[bytes] = deque()
        self._rest = bytearray()

    def feed(self, piece: bytes) -> None:
        """Add a piece."""
        self._rest += piece
        if b"\n" in piece:
            *lines, rest = bytes(self._rest).split(b"\n")
            self._ready.extend(lines)
            self._rest = bytearray(rest)

    def take(self) -> bytes | None:
        """The next whole line without its end, or None."""
        return self._ready.popleft() if self._ready else None

    def tail(self) -> str:
        """The last lines, for a message to a person."""
        lines = [*self._ready, bytes(self._rest)][-TAIL_LINES:]
        return b"\n".join(lines).decode(errors="replace").strip()

    def forget(self) -> None:
        """Keep only what `tail` gives."""
        while len(self._ready) > TAIL_LINES:
            self._ready.popleft()
        del self._rest[:-10_000]


class Stream(ABC):
    """A running command, spoken to line by line."""

    @abstractmethod
    def write_line(self, line: bytes) -> None:
        """Send a line; its end is added. Raises DeviceGone."""

    @abstractmethod
    def read_line(self, timeout_s: float) -> bytes:
        """The next line of stdout without its end. Raises DeadlineExceeded, or DeviceGone at its end."""

    @property
    @abstractmethod
    def exit_status(self) -> int | None:
        """Exit status, or None while the command runs or where it never came through."""

    @abstractmethod
    def stderr_tail(self) -> str:
        """The last lines of stderr that have arrived."""

    @abstractmethod
    def close_input(self) -> None:
        """End the command's stdin."""

    @abstractmethod
    def close(self) -> None:
        """Kill the command if it still runs, and give up the stream. Never raises; closing twice is allowed."""


class Transport(ABC):
    """A way to a device. Commands are lists of words; no shell reads them as anything else. Used by one thread."""

    @abstractmethod
    def run(self, argv: Sequence[str], timeout_s: float, stdin: bytes = b"") -> Completed:
        """Run a command to its end. Raises DeadlineExceeded (the command is killed), DeviceGone."""

    @abstractmethod
    def push(self, local_path: Path, remote_path: str) -> None:
        """Copy a file to the device: under another name, verified by its SHA-256, then renamed.

        Makes the folder. Raises DeviceError, DeviceGone; then nothing stands under `remote_path`.
        """

    @abstractmethod
    def pull(self, remote_path: str, local_path: Path) -> None:
        """Copy a file from the device, renamed once it is whole. Raises DeviceError, DeviceGone."""

    @abstractmethod
    def start(self, argv: Sequence[str]) -> Stream:
        """Start a command to speak to. A command that does not exist ends its stream. Raises DeviceGone."""

    @abstractmethod
    def home(self) -> str:
        """Absolute path of the user's home folder on the device."""

    @abstractmethod
    def close(self) -> None:
        """End the connection and every stream on it. Never raises; closing twice is allowed."""

    def __enter__(self) -> Transport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file of the host, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
