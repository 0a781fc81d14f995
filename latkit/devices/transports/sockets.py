"""TCP as every transport wants it: no waiting for more to send, and a dead peer is noticed."""

from __future__ import annotations

import select
import socket
from typing import Protocol

DEAD_S = 10
"""A peer that acknowledges nothing for so long is gone."""


def notice_death(sock: socket.socket) -> None:
    """Send at once, and notice a dead peer by TCP alone, which by itself would wait for a quarter of an hour."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wanted = {"TCP_USER_TIMEOUT": DEAD_S * 1000, "TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}
    for name, value in wanted.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class HasFile(Protocol):
    """A socket, or what has a file descriptor like one."""

    def fileno(self) -> int:
        """The file descriptor."""


def wait_for(file: HasFile, wait_s: float, to_read: bool = True, to_write: bool = False) -> tuple[bool, bool]:
    """Wait so long until there is something to read or room to write, as asked; whether there is either.

    By `poll`, since `select` takes no file descriptor beyond 1023. An error or the end counts as something to read.
    """
    poll = select.poll()
    poll.register(file, (select.POLLIN if to_read else 0) | (select.POLLOUT if to_write else 0))
    found = [event for _, event in poll.poll(max(wait_s, 0) * 1000)]
    return any(event & ~select.POLLOUT for event in found), any(event & select.POLLOUT for event in found)
