"""A channel: one service of a phone's adbd, such as a command. Bytes go in and come out, whatever way leads there."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod

from latkit.errors import DeviceError

DEAD_S = 10
"""A phone that acknowledges nothing for so long is gone."""


class ServiceRefused(DeviceError):
    """The phone does not offer a service; old ones lack those that came later."""


class Channel(ABC):
    """An open service. Used by one thread."""

    @abstractmethod
    def send(self, content: bytes) -> None:
        """Take bytes to send; they leave within `receive`."""

    @property
    @abstractmethod
    def unsent_bytes(self) -> int:
        """How many of them wait to leave."""

    @abstractmethod
    def receive(self, wait_s: float) -> bytes | None:
        """What comes within that time, empty if nothing does; None at the service's end.

        Returns early when bytes have left. Raises DeviceGone when the way to the phone is lost.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the service up. Never raises; closing twice is allowed."""


class Adbd(ABC):
    """A way to a phone's adbd."""

    @abstractmethod
    def open(self, service: str) -> Channel:
        """Open a service by its name. Raises ServiceRefused, DeviceGone."""

    @abstractmethod
    def close(self) -> None:
        """Close the way and every channel. Never raises; closing twice is allowed."""


def notice_death(sock: socket.socket) -> None:
    """Send at once, and notice a peer that is dead: TCP alone would wait for a quarter of an hour."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wanted = {"TCP_USER_TIMEOUT": DEAD_S * 1000, "TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}
    for name, value in wanted.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
