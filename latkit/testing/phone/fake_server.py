"""A fake adb server with configured phones or misbehavior. It has no real phone."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from latkit.testing.host import environment_variable

Listed = tuple[str, str, str]
"""A phone's serial, state and further fields, as `adb devices -l` prints them."""


def block(text: str) -> bytes:
    """The server's encoding of a text."""
    content = text.encode()
    return b"%04x" % len(content) + content


@contextmanager
def fake_server(behave: Callable[[socket.socket], None]) -> Iterator[None]:
    """Run a server that handles each connection so; latkit finds it by the environment meanwhile."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        environment_variable("ANDROID_ADB_SERVER_PORT", str(server.getsockname()[1])),
    ):
        accepting = threading.Thread(target=_accept, args=(server, behave))
        accepting.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join(10)


def lists(phones: Sequence[Listed], requests: list[str]) -> Callable[[socket.socket], None]:
    """Reports those phones, records requests, and opens nothing."""

    def behave(sock: socket.socket) -> None:
        length = sock.recv(4)
        requests.append(sock.recv(int(length, 16)).decode())
        if requests[-1] == "host:devices":
            sock.sendall(b"OKAY" + block("".join(f"{serial}\t{state}\n" for serial, state, _ in phones)))
        elif requests[-1] == "host:devices-l":
            sock.sendall(b"OKAY" + block("".join(f"{serial:<22} {state} {more}\n" for serial, state, more in phones)))
        else:
            sock.sendall(b"FAIL" + block("no such service"))

    return behave


def _accept(server: socket.socket, behave: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, behave), daemon=True).start()


def _serve(connection: socket.socket, behave: Callable[[socket.socket], None]) -> None:
    with connection, contextlib.suppress(OSError):
        behave(connection)
