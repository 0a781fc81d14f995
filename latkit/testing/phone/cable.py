"""A cable to a phone that can be pulled and plugged in: a relay between this machine and its adbd."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from latkit.testing.sockets import listening, shut

CHUNK_BYTES = 4096
"""A slow cable passes this many bytes at once."""


class Cable:
    """Passes connections on to a port of this machine. `bytes_per_s`: a slow one, back from there."""

    def __init__(self, to: int, bytes_per_s: float | None = None) -> None:
        self.port = 0
        """Its near end."""
        self._to = to
        self._pause_s = CHUNK_BYTES / bytes_per_s if bytes_per_s else 0.0
        self._plugged = True
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()

    def pull(self) -> None:
        """End every connection, and accept no more."""
        self._plugged = False
        with self._lock:
            for end in self._ends:
                shut(end)

    def plug(self) -> None:
        """Accept connections again."""
        self._plugged = True

    def join(self, ours: socket.socket) -> None:
        """Connect an accepted connection with the far end, until one of them ends."""
        if not self._plugged:
            return
        with socket.create_connection(("127.0.0.1", self._to), 5) as theirs:
            theirs.settimeout(None)
            with self._lock:
                self._ends += [ours, theirs]
            back = threading.Thread(target=_pass, args=(theirs, ours, self._pause_s), daemon=True)
            back.start()
            _pass(ours, theirs)
            back.join()


@contextmanager
def cable_to(port: int, bytes_per_s: float | None = None) -> Iterator[Cable]:
    """A cable to a port of this machine."""
    cable = Cable(port, bytes_per_s)
    with listening(cable.join) as cable.port:
        try:
            yield cable
        finally:
            cable.pull()


def _pass(one: socket.socket, other: socket.socket, pause_s: float = 0.0) -> None:
    with contextlib.suppress(OSError):
        while chunk := one.recv(CHUNK_BYTES if pause_s else 65536):
            time.sleep(pause_s)
            other.sendall(chunk)
    shut(other)
