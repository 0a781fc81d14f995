"""A cable to a phone that can be pulled and plugged in: a relay between this machine and its adbd."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Cable:
    """Passes connections on to a port."""

    def __init__(self, server: socket.socket, port: int) -> None:
        self.port = int(server.getsockname()[1])
        self._server = server
        self._to = port
        self._plugged = True
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()

    def pull(self) -> None:
        """End every connection, and accept no more."""
        self._plugged = False
        with self._lock:
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def plug(self) -> None:
        """Accept connections again."""
        self._plugged = True

    def close(self) -> None:
        """End every connection, and stop listening."""
        self.pull()
        self._server.shutdown(socket.SHUT_RDWR)
        for end in self._ends:
            end.close()

    def accept(self) -> None:
        """In a thread of its own, until the cable is closed."""
        while True:
            try:
                ours, _ = self._server.accept()
            except OSError:
                return
            if not self._plugged:
                ours.close()
                continue
            theirs = socket.create_connection(("127.0.0.1", self._to), 5)
            with self._lock:
                self._ends += [ours, theirs]
            for one, other in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=_pass, args=(one, other), daemon=True).start()


@contextmanager
def cable_to(port: int) -> Iterator[Cable]:
    """A cable to a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        cable = Cable(server, port)
        accepting = threading.Thread(target=cable.accept)
        accepting.start()
        try:
            yield cable
        finally:
            cable.close()
            accepting.join(10)


def _pass(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := one.recv(65536):
            other.sendall(chunk)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)
