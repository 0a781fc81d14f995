"""A channel: one service of a phone's adbd, such as a command. Bytes go in and come out, whatever way leads there."""

from __future__ import annotations

from abc import ABC, abstractmethod

from latkit.errors import DeviceError


class ServiceRefused(DeviceError):
    """The phone does not offer a service; old ones lack those that came later."""


class Channel(ABC):
    """An open service. Used by one thread."""

    def __init__(self) -> None:
        self._unsent = bytearray()

    def send(self, content: bytes) -> None:
        """Take bytes to send; what cannot leave at once leaves within `receive`."""
        self._unsent += content
        self._flush()

    @property
    def unsent_bytes(self) -> int:
        """How many of them wait to leave."""
        return len(self._unsent)

    @abstractmethod
    def _flush(self) -> None:
        """Let go what the other side takes now."""

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
