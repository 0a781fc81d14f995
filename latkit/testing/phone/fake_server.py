"""A fake adb server with configured phones or misbehavior. It has no real phone."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from latkit.testing.host import environment_variable
from latkit.testing.sockets import Handle, listening

Listed = tuple[str, str, str]
"""A phone's serial, state and further fields, as `adb devices -l` prints them."""


def block(text: str) -> bytes:
    """The server's encoding of a text."""
    content = text.encode()
    return b"%04x" % len(content) + content


@contextmanager
def fake_server(behave: Handle) -> Iterator[None]:
    """Run a server that handles each connection so; latkit finds it by the environment meanwhile."""
    with listening(behave) as port, environment_variable("ANDROID_ADB_SERVER_PORT", str(port)):
        yield


def lists(phones: Sequence[Listed], requests: list[str]) -> Handle:
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
