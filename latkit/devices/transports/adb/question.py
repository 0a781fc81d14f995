"""Requests to the local adb server, each within a deadline: a server may accept a connection and never answer."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Mapping

from adbutils import adb_path

from latkit._io import one_line
from latkit.devices.transports.sockets import DEAD_S, wait_for
from latkit.errors import DeviceError, UsageError

CONNECT_S = 3.0
START_S = 20.0
LENGTH_BYTES = 4
"""Every request and answer begins with its length, in four hexadecimal digits."""
MAX_REFUSAL_CHARS = 300


class Refused(DeviceError):
    """The server refused; the message is its own."""


class Question:
    """A connection to the server. Raises OSError, and ValueError for an answer that is not an adb server's."""

    def __init__(self, timeout_s: float = DEAD_S) -> None:
        """`timeout_s` bounds each request with its answer. Starts the server if none runs, as `adb` does."""
        self._timeout_s = timeout_s
        self.socket = _connect(server_address())

    def ask(self, request: str) -> None:
        """Send a request that is answered by OKAY. Raises Refused with the server's message."""
        deadline = time.monotonic() + self._timeout_s
        content = os.fsencode(request)
        self.socket.settimeout(self._timeout_s)
        self.socket.sendall(f"{len(content):04x}".encode() + content)
        status = self._exactly(LENGTH_BYTES, deadline)
        if status == b"FAIL":
            raise Refused(one_line(self._block(deadline), MAX_REFUSAL_CHARS) or "no reason")
        if status != b"OKAY":
            raise ValueError(f"expected OKAY or FAIL of the adb server, but found {status!r}")

    def answer(self, request: str) -> str:
        """The text of the answer to a request."""
        self.ask(request)
        return self._block(time.monotonic() + self._timeout_s)

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def _block(self, deadline: float) -> str:
        length = self._exactly(LENGTH_BYTES, deadline)
        if not re.fullmatch(rb"[0-9a-fA-F]{4}", length):
            raise ValueError(f"expected a length of the adb server, but found {length!r}")
        return self._exactly(int(length, 16), deadline).decode(errors="replace")

    def _exactly(self, count: int, deadline: float) -> bytes:
        content = bytearray()
        while len(content) < count:
            left = deadline - time.monotonic()
            if left <= 0 or not wait_for(self.socket, left)[0]:
                raise TimeoutError(f"it did not answer within {self._timeout_s:g} s")
            chunk = self.socket.recv(count - len(content))
            if not chunk:
                raise ConnectionError("it closed the connection")
            content += chunk
        return bytes(content)


def server_address(environment: Mapping[str, str] = os.environ) -> tuple[str, int]:
    """Address of the server. Raises UsageError."""
    port = environment.get("ANDROID_ADB_SERVER_PORT") or "5037"
    if not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise UsageError(f"expected ANDROID_ADB_SERVER_PORT as a port, but found {port[:100]!r}")
    return environment.get("ANDROID_ADB_SERVER_HOST") or "127.0.0.1", int(port)


def _connect(address: tuple[str, int]) -> socket.socket:
    try:
        return socket.create_connection(address, CONNECT_S)
    except ConnectionRefusedError:
        nothing = subprocess.DEVNULL
        subprocess.run(  # noqa: S603 - argv is a list
            [adb_path(), "start-server"], stdin=nothing, stdout=nothing, stderr=nothing, timeout=START_S, check=False
        )
    return socket.create_connection(address, CONNECT_S)
