"""Processes of this machine: started, given their stdin, read to their end, killed."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import IO, cast

from latkit.devices.transports.base import Completed, check_argv, check_output

CHUNK_BYTES = 65536
KILL_S = 10.0


def popen(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, outside the current folder: that may be a workspace from elsewhere, and
    Python imports from its current folder. Raises OSError, DeviceError.
    """
    check_argv(argv)
    command = [os.path.abspath(argv[0]) if os.sep in argv[0] else argv[0], *argv[1:]]  # noqa: PTH100 - follows no link
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=os.sep, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)  # noqa: S603 - argv is a list


def communicate(
    process: subprocess.Popen[bytes], name: str, deadline: float, stdin: bytes, max_bytes: int
) -> Completed:
    """Write a process's stdin, and read its output until its end. Raises TimeoutError, DeviceGone."""
    assert process.stdin
    assert process.stdout
    assert process.stderr
    outputs = {process.stdout: bytearray(), process.stderr: bytearray()}
    rest = memoryview(stdin)
    with selectors.DefaultSelector() as selector:
        for output in outputs:
            selector.register(output, selectors.EVENT_READ)
        os.set_blocking(process.stdin.fileno(), False)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            for key, _ in selector.select(_left(deadline)):
                if key.fileobj is process.stdin:
                    rest = _write_some(process.stdin, rest)
                    if not rest:
                        selector.unregister(process.stdin)
                        _close_quietly(process.stdin)
                elif chunk := os.read(key.fd, CHUNK_BYTES):
                    outputs[cast("IO[bytes]", key.fileobj)] += chunk
                    check_output("local", name, sum(map(len, outputs.values())), max_bytes)
                else:
                    selector.unregister(key.fileobj)
    try:
        status = process.wait(_left(deadline))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    return Completed(status, bytes(outputs[process.stdout]), bytes(outputs[process.stderr]))


def _left(deadline: float) -> float:
    """Seconds until the deadline. Raises TimeoutError after it."""
    left = deadline - time.monotonic()
    if left < 0:
        raise TimeoutError
    return left


def _write_some(file: IO[bytes], rest: memoryview) -> memoryview:
    """Write what can be written now. Returns the rest, which is empty once the process no longer reads."""
    try:
        return rest[os.write(file.fileno(), rest[:CHUNK_BYTES]) :] if rest else rest
    except BlockingIOError:
        return rest
    except OSError:
        return rest[:0]


def _close_quietly(file: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        file.close()


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process with its children, which share its session."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # a process that waits for a dead disk cannot be killed
            process.wait(KILL_S)
