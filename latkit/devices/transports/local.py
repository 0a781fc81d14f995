"""The local transport: this machine as a device, by subprocesses."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from latkit._io import atomic_write, make_folder, one_line
from latkit.devices.transports.address import CONNECT_S, MAX_SHOWN, Address
from latkit.devices.transports.base import (
    MAX_OUTPUT_BYTES,
    Completed,
    Lines,
    Stream,
    Transport,
    checked_home,
    sha256_of,
)
from latkit.devices.transports.local_process import CHUNK_BYTES, communicate, kill, popen
from latkit.errors import DeadlineExceeded, DeviceError, DeviceGone, UsageError, WriteError

WRITE_S = 30.0


class Local(Address):
    """This machine itself."""

    kind: Literal["local"] = "local"
    is_this_host = True

    def __str__(self) -> str:
        return "local"

    @property
    def place(self) -> str:
        """Identifies this address."""
        return "local"

    @classmethod
    def parse(cls, text: str) -> Local:
        """This machine has no address but `local`. Raises UsageError."""
        if text not in ("", "local"):
            raise UsageError(f"expected no address of this machine, or local, but found {text[:MAX_SHOWN]!r}")
        return cls()

    def connect(self, timeout_s: float = CONNECT_S) -> Transport:  # noqa: ARG002 - there is nothing to wait for
        """The transport, without delay."""
        return LocalTransport()


class LocalTransport(Transport):
    """This machine. Commands run in sessions of their own, so that a Ctrl-C for the host does not reach them."""

    def __init__(self) -> None:
        self._streams: list[LocalStream] = []

    def run(
        self, argv: Sequence[str], timeout_s: float, stdin: bytes = b"", max_bytes: int = MAX_OUTPUT_BYTES
    ) -> Completed:
        """Run a process. The exit status is 127 if it cannot be started."""
        try:
            process = popen(argv)
        except OSError as error:
            return Completed(127, b"", f"{argv[0]}: {error.strerror}".encode())
        with process:
            try:
                return communicate(process, argv[0], time.monotonic() + timeout_s, stdin, max_bytes)
            except TimeoutError:
                raise DeadlineExceeded(f"{argv[0]} did not end within {timeout_s:g} s; it was killed") from None
            finally:
                kill(process)

    def push(self, local_path: Path, remote_path: str) -> None:
        """Copy a file."""
        _copy(local_path, Path(remote_path))

    def pull(self, remote_path: str, local_path: Path) -> None:
        """Copy a file."""
        _copy(Path(remote_path), local_path)

    def start(self, argv: Sequence[str]) -> Stream:
        """Start a process."""
        try:
            stream = LocalStream(popen(argv))
        except OSError as error:
            raise DeviceGone(f"could not start {argv[0]}: {error.strerror}") from error
        self._streams.append(stream)
        return stream

    def home(self) -> str:
        """The home folder of the current user."""
        try:
            home = Path.home()
        except RuntimeError:  # a user without an entry, in a container
            home = Path()
        return checked_home(os.fsencode(home), "local")

    def close(self) -> None:
        """Kill what was started."""
        while self._streams:
            self._streams.pop().close()


class LocalStream(Stream):
    """A process of this machine. One selector waits for both its outputs: no thread disturbs what it times."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self._process = process
        self._input = process.stdin
        os.set_blocking(self._input.fileno(), False)
        self._out, self._err = Lines(), Lines()
        self._selector = selectors.DefaultSelector()
        self._selector.register(process.stdout, selectors.EVENT_READ, self._out)
        self._selector.register(process.stderr, selectors.EVENT_READ, self._err)

    def write_line(self, line: bytes) -> None:
        """Write a line to the process."""
        rest, deadline = line + b"\n", time.monotonic() + WRITE_S
        while rest:
            try:
                rest = rest[os.write(self._input.fileno(), rest) :]
            except BlockingIOError:  # it reads no more until its output is read
                self._receive(0.01)
            except (OSError, ValueError) as error:
                detail = one_line(self.stderr_tail())
                raise DeviceGone(f"the command no longer reads: {error}; its last words: {detail}") from error
            if time.monotonic() > deadline:
                raise DeadlineExceeded(f"the command took no input for {WRITE_S:g} s")

    def read_line(self, timeout_s: float) -> bytes:
        """The next line, from what both outputs brought until then."""
        deadline = time.monotonic() + timeout_s
        while (line := self._out.take()) is None:
            if self._process.stdout not in self._open_files():
                detail = one_line(self.stderr_tail())
                raise DeviceGone(f"the command ended (status {self._ended()}); its last words: {detail}")
            if time.monotonic() > deadline:
                raise DeadlineExceeded(f"no line came within {timeout_s:g} s")
            self._receive(deadline - time.monotonic())
        return line

    @property
    def exit_status(self) -> int | None:
        """Exit status of the process."""
        return self._process.poll()

    def stderr_tail(self) -> str:
        """The last lines of stderr."""
        with contextlib.suppress(OSError, ValueError, DeviceGone):
            self._receive(0)
        return self._err.tail()

    def close_input(self) -> None:
        """End the process's stdin."""
        with contextlib.suppress(OSError):
            self._input.close()

    def close(self) -> None:
        """Kill the process and close its files."""
        kill(self._process)
        self.close_input()
        if self._selector.get_map() is not None:
            self.stderr_tail()
            self._selector.close()
        for file in (self._process.stdout, self._process.stderr):
            assert file
            file.close()

    def _open_files(self) -> list[object]:
        return [key.fileobj for key in (self._selector.get_map() or {}).values()]

    def _receive(self, timeout_s: float) -> None:
        """Receive what has arrived on either output within that time."""
        for key, _ in self._selector.select(max(timeout_s, 0)):
            chunk = os.read(key.fd, CHUNK_BYTES)
            if chunk:
                key.data.feed(chunk)
            else:
                self._selector.unregister(key.fileobj)
        self._err.forget()

    def _ended(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(1)
        return None


def _copy(source: Path, destination: Path) -> None:
    try:
        make_folder(destination.parent)
        with atomic_write(destination) as part:
            shutil.copyfile(source, part)
            if sha256_of(part) != sha256_of(source):
                raise DeviceError(f"{destination}: the copy differs from {source}; is the disk sound?")
    except (OSError, WriteError) as error:
        raise DeviceError(f"could not copy {source} to {destination}: {error}") from error
