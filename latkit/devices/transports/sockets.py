"""TCP settings of all transports: data is sent without delay, and a dead peer is detected."""

from __future__ import annotations

import select
import socket
from typing import Protocol

DEAD_S = 10
"""A peer that acknowledges nothing for this long counts as dead."""


def notice_death(sock: socket.socket) -> None:
    """Send without delay, and detect a dead peer by TCP alone, which by default would wait for a quarter of an hour."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {"TCP_USER_TIMEOUT": DEAD_S * 1000, "TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}
    for name, value in options.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class HasFile(Protocol):
    """A socket, or an object with a file descriptor like one."""

    def fileno(self) -> int:
        """The file descriptor."""


def wait_for(file: HasFile, wait_s: float, to_read: bool = True, to_write: bool = False) -> tuple[bool, bool]:
    """Wait that long until there is something to read or room to write, as requested; returns whether there is either.

    By `poll`, since `select` accepts no file descriptor above 1023. An error or the end counts as something to read.
    """
    poll = select.poll()
    poll.register(file, (select.POLLIN if to_read else 0) | (select.POLLOUT if to_write else 0))
    found = [event for _, event in poll.poll(max(wait_s, 0) * 1000)]
    return any(event & ~select.POLLOUT for event in found), any(event & select.POLLOUT for event in found)
