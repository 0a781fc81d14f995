"""A phone's adbd over TCP, with one stream per connection."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from adb_shell import constants

from latkit.devices.transports.adb.channel import Adbd, Channel, ServiceRefused
from latkit.devices.transports.adb.wire import Connection
from latkit.devices.transports.sockets import DEAD_S
from latkit.errors import DeviceGone, Unreachable


class DirectAdbd(Adbd):
    """Connections to HOST:PORT. Each serves one stream at a time, since an unread one would block the others."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._connect: Callable[[], Connection] = lambda: Connection(host, port, timeout_s)
        self._idle = [self._connect()]
        self._all = list(self._idle)

    def open(self, service: str) -> Channel:
        """Open a service, on an idle connection or a new one."""
        connection = self._idle.pop() if self._idle else self._another()
        try:
            return DirectChannel(connection, service, self._idle)
        except ServiceRefused:
            self._idle.append(connection)
            raise

    def close(self) -> None:
        """Close the connections."""
        while self._all:
            self._all.pop().close()
        self._idle.clear()

    def _another(self) -> Connection:
        try:
            connection = self._connect()
        except Unreachable as error:
            raise DeviceGone(f"the connection is lost: {error}") from error
        self._all = [*(known for known in self._all if not known.closed), connection]
        return connection


class DirectChannel(Channel):
    """A service on a connection of its own, which is idle again afterwards."""

    def __init__(self, connection: Connection, service: str, idle: list[Connection]) -> None:
        super().__init__()
        self._connection = connection
        self._idle = idle
        self._may_send = False
        self._open = True
        connection.services += 1
        self._ours, self._theirs = connection.services, 0
        connection.send(constants.OPEN, self._ours, 0, os.fsencode(service) + b"\0")
        deadline = time.monotonic() + DEAD_S
        while not self._may_send:
            if time.monotonic() > deadline:
                connection.close()
                raise DeviceGone(f"{connection.name}: the phone answered nothing for {DEAD_S} s")
            if self._next(deadline - time.monotonic()) is None:
                self._open = False
                raise ServiceRefused(f"{connection.name}: the phone refuses {service.partition(':')[0]}")

    def receive(self, wait_s: float) -> bytes | None:
        """The bytes that arrive."""
        return self._next(wait_s) if self._open else None

    def close(self) -> None:
        """End the service; the connection may serve the next."""
        if self._open:
            self._open = False
            try:
                self._connection.send(constants.CLSE, self._ours, self._theirs)
            except DeviceGone:
                return
            self._idle.append(self._connection)

    def _next(self, wait_s: float) -> bytes | None:
        packet = self._connection.receive(wait_s)
        if packet is None or packet[2] != self._ours:  # of a service that was closed before
            return b""
        command, theirs, _, content = packet
        if command == constants.OKAY:
            self._theirs, self._may_send = theirs, True
            self._flush()
        elif command == constants.WRTE:
            self._connection.send(constants.OKAY, self._ours, self._theirs)
            return content
        elif command == constants.CLSE:
            if self._theirs:
                self.close()
            return None
        return b""

    def _flush(self) -> None:
        """Send a part if the phone has acknowledged the previous one."""
        if self._unsent and self._may_send and self._open:
            chunk = bytes(self._unsent[: self._connection.max_bytes])
            del self._unsent[: len(chunk)]
            self._may_send = False
            self._connection.send(constants.WRTE, self._ours, self._theirs, chunk)
