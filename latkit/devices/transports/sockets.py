"""TCP as every transport wants it: no waiting for more to send, and a dead peer is noticed."""

from __future__ import annotations

import socket

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
