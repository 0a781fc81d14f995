"""A server on loopback, from the function that handles one connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Handle = Callable[[socket.socket], None]
"""Handles a connection, which is closed when it returns; OSError and EOFError end it."""
JOIN_S = 10


@contextmanager
def listening(handle: Handle) -> Iterator[int]:
    """Serve connections, each in a thread of its own; the port. At the end every connection is shut."""
    connections: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                connections.append(connection)
                threading.Thread(target=_serve, args=(handle, connection), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join(JOIN_S)
            for connection in connections:
                shut(connection)


def shut(connection: socket.socket) -> None:
    """End both directions; whoever reads or writes notices."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def receive_exactly(connection: socket.socket, count: int) -> bytes:
    """That many bytes. Raises EOFError if the connection ends before."""
    content = bytearray()
    while len(content) < count:
        chunk = connection.recv(count - len(content))
        if not chunk:
            raise EOFError
        content += chunk
    return bytes(content)


def _serve(handle: Handle, connection: socket.socket) -> None:
    with connection, suppress(OSError, EOFError):
        handle(connection)
