"""A network cable to a board, which can be pulled: a veth pair into a network namespace. Needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from latkit.testing.host import Unavailable

NETWORK = f"198.{18 + os.getpid() // 256 % 2}.{os.getpid() % 256}"
"""From the addresses reserved for tests of networks; another process takes others."""


class Cable:
    """A veth pair between this machine and a network namespace, in which a board stands at `address`."""

    def __init__(self) -> None:
        self.namespace = f"latkit{os.getpid()}"
        self.address = f"{NETWORK}.2"
        self._ours, self._theirs = f"lk{os.getpid()}a", f"lk{os.getpid()}b"

    def lay(self) -> None:
        """Make both. Raises CalledProcessError if that is not allowed."""
        there = ["-n", self.namespace]
        _ip("netns", "add", self.namespace)
        _ip("link", "add", self._ours, "type", "veth", "peer", "name", self._theirs, "netns", self.namespace)
        _ip("address", "add", f"{NETWORK}.1/30", "dev", self._ours)
        _ip("link", "set", self._ours, "up")
        _ip(*there, "address", "add", f"{self.address}/30", "dev", self._theirs)
        _ip(*there, "link", "set", "lo", "up")
        self.plug()

    def pull(self) -> None:
        """No packet passes any more; no end of the connection notices."""
        _ip("-n", self.namespace, "link", "set", self._theirs, "down")

    def plug(self) -> None:
        """Packets pass again."""
        _ip("-n", self.namespace, "link", "set", self._theirs, "up")

    def remove(self) -> None:
        """Remove the cable and the namespace."""
        with suppress(subprocess.CalledProcessError):
            _ip("link", "delete", self._ours)
        with suppress(subprocess.CalledProcessError):
            _ip("netns", "delete", self.namespace)


@contextmanager
def cabled() -> Iterator[Cable]:
    """A cable. Raises Unavailable where namespaces are not allowed."""
    cable = Cable()
    try:
        try:
            cable.lay()
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            reason = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else error
            raise Unavailable(f"a network namespace is needed for a second board: {reason}") from None
        yield cable
    finally:
        cable.remove()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)
