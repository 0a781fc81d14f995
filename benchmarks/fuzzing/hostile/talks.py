"""Listeners in place of an SSH server, an adb server or a phone, by name."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from benchmarks.fuzzing.hostile.adb import packet, shows

CONTROLS = "\x1b[2J\x07\x9b[/red]\u202e\r\n".encode()
HTTP = b"HTTP/1.1 400 Bad Request\r\n\r\n<html>"
SILENCE_S = 100.0
VERSION, MAX_BYTES = 0x01000000, 4096
BANNER = b"device::ro.product.model=Phone;features=shell_v2"

Talk = Callable[[socket.socket], None]


def _first(*chunks: bytes, endless: bytes = b"", then_s: float = 0.0) -> Talk:
    """Speak without a request."""

    def talk(connection: socket.socket) -> None:
        for chunk in chunks:
            connection.sendall(chunk)
        while endless:
            connection.sendall(endless)
        time.sleep(then_s)

    return talk


SSH: dict[str, Talk] = {
    "http": _first(HTTP),
    "controls": _first(b"SSH-2.0-" + CONTROLS, CONTROLS * 10, then_s=5),
    "nothing": _first(then_s=SILENCE_S),
    "end": _first(),
    "flood": _first(endless=b"x" * 65536),
    "long banner": _first(b"SSH-2.0-" + b"x" * 10**6 + b"\r\n", then_s=5),
    "banner flood": _first(endless=CONTROLS * 1000),
    "broken key exchange": _first(b"SSH-2.0-x\r\n", b"\0\0\1\x0c\x0a\x14" + bytes(262), then_s=5),
}

ADB_SERVER: dict[str, Talk] = {
    "silence": shows(then_s=SILENCE_S),
    "flood": shows(endless=b"OKAY" * 10_000),
    "http": shows(HTTP),
}

_HELLO = packet(b"CNXN", VERSION, MAX_BYTES, BANNER)

PHONE: dict[str, Talk] = {
    "silence": shows(then_s=SILENCE_S),
    "end": shows(),
    "4 GB": shows(packet(b"CNXN", VERSION, MAX_BYTES, b"", 2**32 - 1), endless=b"x" * 65536),
    "4 GB of content": shows(
        _HELLO, packet(b"OKAY", 1, 1), packet(b"WRTE", 1, 1, b"", 2**32 - 1), endless=b"x" * 65536
    ),
    "garbage": shows(b"\x1b[2J" * 100),
    "flood": shows(endless=packet(b"OKAY", 7, 7) * 1000),
    "auth for ever": shows(endless=packet(b"AUTH", 1, 0, b"x" * 20)),
    "tls": shows(packet(b"STLS", VERSION, 0), then_s=5),
    "controls": shows(packet(b"CNXN", VERSION, MAX_BYTES, CONTROLS), then_s=15),
    "tiny packets": shows(packet(b"CNXN", VERSION, 0, BANNER), then_s=15),
}
