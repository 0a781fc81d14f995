"""What every simulator needs from the machine it runs on: free ports, a wait for a server, a variable for a while."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latkit.errors import LatkitError

LOG_CHARACTERS = 500


class Unavailable(LatkitError):
    """A part of a simulator does not exist on this machine; the message names it, and what to install."""


class NotServing(LatkitError):
    """A server was started, and nothing answers at its port."""


def free_port() -> int:
    """A port of loopback that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for_port(
    port: int, process: subprocess.Popen[bytes], log: Path, address: str = "127.0.0.1", timeout_s: float = 20
) -> None:
    """Return once the process accepts connections there. Raises NotServing with the end of its log."""
    deadline = time.monotonic() + timeout_s
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((address, port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    state = "does not answer" if process.poll() is None else f"ended with status {process.returncode}"
    raise NotServing(f"the server {state}: {log.read_text(errors='replace')[-LOG_CHARACTERS:]}")


@contextmanager
def environment_variable(name: str, value: str) -> Iterator[None]:
    """Set a variable of this process's environment, and put it back."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is created; other processes wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
