"""adb's own file protocol, as far as it is needed: writing one file."""

from __future__ import annotations

import struct
import time

from latkit._io import one_line
from latkit.devices.transports.adb.channel import Channel
from latkit.devices.transports.sockets import DEAD_S
from latkit.errors import DeviceError

SLICE_S = 0.25
SYNC_BYTES = 65536
"""The maximum that adbd accepts in one part of a file."""
SYNC_LENGTH = struct.Struct("<L")
HEADER_BYTES = 8
MAX_MESSAGE_BYTES = 2000
"""Maximum length of a phone's message about a failure."""
SLOWEST_BYTES_PER_S = 50_000
"""A copy that is slower than this on average is aborted."""


def send_file(channel: Channel, path: str, content: bytes) -> None:
    """Write a file by adb's own file protocol, which has no such limits as a command's stdin on an old phone."""
    destination = f"{path},{0o100600}".encode()
    channel.send(b"SEND" + SYNC_LENGTH.pack(len(destination)) + destination)
    for begin in range(0, len(content), SYNC_BYTES):
        chunk = content[begin : begin + SYNC_BYTES]
        channel.send(b"DATA" + SYNC_LENGTH.pack(len(chunk)) + chunk)
    channel.send(b"DONE" + SYNC_LENGTH.pack(int(time.time())))
    answer = bytearray()
    deadline = time.monotonic() + DEAD_S + len(content) / SLOWEST_BYTES_PER_S
    dead_at = time.monotonic() + DEAD_S
    while not _is_complete(answer) and time.monotonic() < min(deadline, dead_at):
        unsent_bytes = channel.unsent_bytes
        received = channel.receive(SLICE_S)
        if received is None:
            break
        answer += received
        if received or channel.unsent_bytes < unsent_bytes:
            dead_at = time.monotonic() + DEAD_S
    if not answer.startswith(b"OKAY"):
        reason = one_line(answer[8:].decode(errors="replace")) or "no answer"
        raise DeviceError(f"writing {path} failed on the phone: {reason}")


def _is_complete(answer: bytearray) -> bool:
    """Whether the answer is complete: its kind, the length of what follows, and the content, as far as it is used."""
    if len(answer) < HEADER_BYTES or answer.startswith(b"OKAY"):
        return answer.startswith(b"OKAY")
    length: int = SYNC_LENGTH.unpack_from(answer, 4)[0]
    return len(answer) >= HEADER_BYTES + min(length, MAX_MESSAGE_BYTES)
