"""The transport: how commands, files and streams reach a device. One small interface, one file per kind."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from latkit._io import one_line, printable
from latkit.errors import DeviceError, DeviceGone

TAIL_LINES = 20
TAIL_BYTES = 10_000
"""Length of the end of stderr that is shown in a message."""
MAX_LINE_BYTES = 16 * 2**20
"""Maximum length of a line that a device sends. The longest response of an agent is 1 % of it."""
MAX_OUTPUT_BYTES = 64 * 2**20
"""Maximum that a command prints on both outputs together, unless its caller expects more."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The result of a command. If a signal ended it, its status is negative, or 128 and more."""

    exit_status: int
    stdout: bytes
    stderr: bytes

    def checked(self, what: str) -> Completed:
        """This result if the status is 0, else DeviceError with the end of its stderr."""
        if self.exit_status:
            detail = one_line(self.stderr.decode(errors="replace").strip()[-500:], 500) or "no message"
            raise DeviceError(f"{what} failed on the device with exit status {self.exit_status}: {detail}")
        return self


class Lines:
    """Bytes that arrive in parts, returned line by line. The bytes not yet returned are bounded, as is a line."""

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max_line_bytes = max_line_bytes
        self._buffer = bytearray()
        self._begin = 0
        """Where the last line begins, whose end has not arrived."""

    def feed(self, chunk: bytes | bytearray) -> None:
        """Add bytes. Raises DeviceGone if a line, or the unread lines together, exceed the bound."""
        end = chunk.rfind(b"\n")
        if end >= 0:
            self._begin = len(self._buffer) + end + 1
        self._buffer += chunk
        if len(self._buffer) - self._begin > self._max_line_bytes or self._begin > 2 * self._max_line_bytes:
            count = len(self._buffer)
            self._buffer, self._begin = bytearray(), 0
            raise DeviceGone(
                f"expected lines of at most {self._max_line_bytes / 2**20:g} MiB, but {count / 2**20:.0f} MiB came"
            )

    def take(self) -> bytes | None:
        """The next complete line without its end, or None."""
        if not self._begin:
            return None
        end = self._buffer.index(b"\n")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._begin -= end + 1
        return line

    def tail(self) -> str:
        """The last lines, for a message to a person."""
        text = bytes(self._buffer[-TAIL_BYTES:]).decode(errors="replace").strip()
        return "\n".join(text.split("\n")[-TAIL_LINES:])

    def forget(self) -> None:
        """Drop all but what `tail` returns."""
        del self._buffer[:-TAIL_BYTES]
        self._begin = self._buffer.rfind(b"\n") + 1


class Stream(ABC):
    """A running command, read and written line by line."""

    @abstractmethod
    def write_line(self, line: bytes) -> None:
        """Send a line; its end is added. Raises DeviceGone."""

    @abstractmethod
    def read_line(self, timeout_s: float) -> bytes:
        """The next line of stdout without its end. Raises DeadlineExceeded, or DeviceGone at its end."""

    @property
    @abstractmethod
    def exit_status(self) -> int | None:
        """Exit status, or None while the command runs or if it never arrived."""

    @abstractmethod
    def stderr_tail(self) -> str:
        """The last lines of stderr that have arrived."""

    @abstractmethod
    def close_input(self) -> None:
        """End the command's stdin."""

    @abstractmethod
    def close(self) -> None:
        """Kill the command if it still runs, and close the stream. Never raises; closing twice is allowed."""


class Transport(ABC):
    """A connection to a device. Commands are argument lists, which no shell interprets. Used by one thread."""

    @abstractmethod
    def run(
        self, argv: Sequence[str], timeout_s: float, stdin: bytes = b"", max_bytes: int = MAX_OUTPUT_BYTES
    ) -> Completed:
        """Run a command to its end. `max_bytes`: maximum that it may print on both outputs together.

        Raises DeadlineExceeded, and DeviceGone also for a command that prints more: it is killed.
        """

    @abstractmethod
    def push(self, local_path: Path, remote_path: str) -> None:
        """Copy a file to the device: under another name, verified by its SHA-256, then renamed.

        Creates the folder. Raises DeviceError, DeviceGone; then there is no file at `remote_path`.
        """

    @abstractmethod
    def pull(self, remote_path: str, local_path: Path) -> None:
        """Copy a file from the device, renamed once it is complete. Raises DeviceError, DeviceGone."""

    @abstractmethod
    def start(self, argv: Sequence[str]) -> Stream:
        """Start a command to exchange lines with. A command that does not exist ends its stream. Raises DeviceGone."""

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


def check_output(device: str, command: str, count: int, max_bytes: int) -> None:
    """Raise DeviceGone if a command has printed more than it may."""
    if count > max_bytes:
        raise DeviceGone(
            f"{device}: expected at most {max_bytes / 2**20:.3g} MiB from {command}, but it prints more; it was killed"
        )


def checked_home(printed: bytes, device: str) -> str:
    """The home folder that a device has printed. Raises DeviceError if latkit cannot put its files below it."""
    home = printed.removesuffix(b"\n").decode(errors="replace")
    if not home.startswith("/") or "\ufffd" in home or printable(home) != home or "\n" in home:
        raise DeviceError(
            f"{device}: expected the home folder there as an absolute path in UTF-8, but found {printed[:200]!r}; name "
            "a folder for latkit's files: --agent-folder"
        )
    return home


def check_argv(argv: Sequence[str]) -> None:
    """Raise DeviceError for an argument that cannot be passed to a command."""
    for word in argv:
        if "\0" in word:
            raise DeviceError(f"expected the words of a command without a zero character, but found {word[:100]!r}")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file of the host, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
