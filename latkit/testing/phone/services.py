"""Services of the scripted adbd: commands that really run on this machine, and files."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from latkit.testing.phone.scripted import Script, Service, Work

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
HEADER, LENGTH, STAT = struct.Struct("<BL"), struct.Struct("<4sL"), struct.Struct("<4s3L")


def frame(kind: int, content: bytes) -> bytes:
    """A frame of shell protocol 2."""
    return HEADER.pack(kind, len(content)) + content


def services(script: Script) -> dict[str, Work]:
    """By kind."""
    always: dict[str, Work] = {"exec": run_raw, "shell": run_raw, "sync": keep_files}
    return {**always, "shell,v2,raw": run_in_frames, "shell,v2": run_in_frames} if script.shell_v2 else always


def run_raw(service: Service, command: str) -> None:
    """Run a command with both outputs in one, without its exit status."""
    with _process(command, subprocess.STDOUT) as process:
        threading.Thread(target=_feed, args=(_given(service), process), daemon=True).start()
        assert process.stdout
        while chunk := os.read(process.stdout.fileno(), 65536):
            service.write(chunk)


def run_in_frames(service: Service, command: str) -> None:
    """Run a command by shell protocol 2."""
    with _process(command, subprocess.PIPE) as process:
        threading.Thread(target=_feed, args=(_stdin(service), process), daemon=True).start()
        lock = threading.Lock()
        pairs = ((STDOUT, process.stdout), (STDERR, process.stderr))
        readers = [threading.Thread(target=_frames, args=(service, lock, *pair)) for pair in pairs]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        status = process.wait()
    service.write(frame(EXIT, bytes([status if status >= 0 else 128 - status])))


def keep_files(service: Service, _arguments: str) -> None:
    """Send, receive and stat files."""
    given = _Given(service)
    while True:
        try:
            kind, length = LENGTH.unpack(given.exactly(LENGTH.size))
        except EOFError:
            return
        if kind == b"QUIT":
            return
        path = given.exactly(length).decode()
        if kind == b"STAT":
            found = os.stat(path) if os.path.exists(path) else None  # noqa: PTH110, PTH116
            values = (found.st_mode, found.st_size, int(found.st_mtime)) if found else (0, 0, 0)
            service.write(STAT.pack(b"STAT", *values))
        elif kind == b"SEND":
            _take_file(service, given, Path(path.rpartition(",")[0]))
        elif kind == b"RECV":
            _give_file(service, Path(path))


def _take_file(service: Service, given: _Given, path: Path) -> None:
    content = bytearray()
    while True:
        kind, length = LENGTH.unpack(given.exactly(LENGTH.size))
        if kind == b"DONE":
            break
        content += given.exactly(length)
    try:
        path.write_bytes(content)
    except OSError as error:
        message = str(error.strerror).encode()
        service.write(LENGTH.pack(b"FAIL", len(message)) + message)
    else:
        service.write(LENGTH.pack(b"OKAY", 0))


def _give_file(service: Service, path: Path) -> None:
    content = path.read_bytes()
    for begin in range(0, len(content), 65536):
        chunk = content[begin : begin + 65536]
        service.write(LENGTH.pack(b"DATA", len(chunk)) + chunk)
    service.write(LENGTH.pack(b"DONE", 0))


class _Given:
    """The client's data, in pieces of a number of bytes."""

    def __init__(self, service: Service) -> None:
        self._chunks = _given(service)
        self._rest = bytearray()

    def exactly(self, count: int) -> bytes:
        while len(self._rest) < count:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise EOFError
            self._rest += chunk
        content = bytes(self._rest[:count])
        del self._rest[:count]
        return content


def _given(service: Service) -> Iterator[bytes]:
    while (chunk := service.given.get()) is not None:
        yield chunk


def _stdin(service: Service) -> Iterator[bytes]:
    """The stdin in the frames, until one ends it."""
    given = _Given(service)
    with contextlib.suppress(EOFError):
        while True:
            kind, length = HEADER.unpack(given.exactly(HEADER.size))
            content = given.exactly(length)
            if kind == CLOSE_STDIN:
                return
            if kind == STDIN:
                yield content


def _process(command: str, stderr: int) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(["sh", "-c", command], stdin=pipe, stdout=pipe, stderr=stderr, start_new_session=True)


def _feed(chunks: Iterator[bytes], process: subprocess.Popen[bytes]) -> None:
    """Pass stdin to the process; with the connection it ends, as on a phone."""
    assert process.stdin
    with contextlib.suppress(OSError, ValueError):
        for chunk in chunks:
            process.stdin.write(chunk)
            process.stdin.flush()
        process.stdin.close()


def _frames(service: Service, lock: threading.Lock, kind: int, output: BinaryIO) -> None:
    with contextlib.suppress(OSError):
        while chunk := os.read(output.fileno(), 4000):
            with lock:
                service.write(frame(kind, chunk))
