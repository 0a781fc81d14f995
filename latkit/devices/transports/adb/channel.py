"""A channel: one service of a phone's adbd, such as a command, with bytes in and out, over any connection."""

from __future__ import annotations

from abc import ABC, abstractmethod

from latkit.errors import DeviceError


class ServiceRefused(DeviceError):
    """The phone does not offer a service; old ones lack later services."""


class Channel(ABC):
    """An open service. Used by one thread."""

    def __init__(self) -> None:
        self._unsent = bytearray()

    def send(self, content: bytes) -> None:
        """Accept bytes to send; what cannot be sent at once is sent within `receive`."""
        self._unsent += content
        self._flush()

    @property
    def unsent_bytes(self) -> int:
        """Number of bytes that wait to be sent."""
        return len(self._unsent)

    @abstractmethod
    def _flush(self) -> None:
        """Send what the other side accepts now."""

    @abstractmethod
    def receive(self, wait_s: float) -> bytes | None:
        """What arrives within that time, empty if nothing does; None at the service's end.

        Returns early when bytes were sent. Raises DeviceGone if the connection to the phone is lost.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the service. Never raises; closing twice is allowed."""


class Adbd(ABC):
    """A connection to a phone's adbd."""

    @abstractmethod
    def open(self, service: str) -> Channel:
        """Open a service by its name. Raises ServiceRefused, DeviceGone."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection and every channel. Never raises; closing twice is allowed."""
