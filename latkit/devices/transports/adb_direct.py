"""A phone's adbd reached over TCP, by adb-shell: its handshake, keys and packets, with one stream to a connection."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

from adb_shell import constants
from adb_shell.adb_device import AdbDevice
from adb_shell.adb_message import AdbMessage, unpack
from adb_shell.exceptions import (
    AdbConnectionError,
    AdbTimeoutError,
    InvalidChecksumError,
    InvalidCommandError,
    InvalidResponseError,
    TcpTimeoutException,
)
from adb_shell.transport.tcp_transport import TcpTransport

from latkit.devices.transports.adb_channel import Adbd, Channel, ServiceRefused
from latkit.devices.transports.adb_keys import signers
from latkit.devices.transports.sockets import DEAD_S, notice_death
from latkit.errors import DeviceGone, Unreachable

NOISE = (InvalidCommandError, InvalidChecksumError, InvalidResponseError, ValueError, KeyError)
"""What adb-shell raises at words that are not adb's."""
SILENCE = (AdbTimeoutError, TcpTimeoutException, TimeoutError)
LOST = (*NOISE, *SILENCE, AdbConnectionError, OSError, EOFError)


class NeedsTls(Unreachable):
    """The phone speaks TLS at this port, as for wireless debugging: the adb server has the certificates for it."""


class Wire(TcpTransport):  # type: ignore[misc] # adb-shell has no types
    """adb-shell's socket: sends at once and all of it, notices a dead phone, and the end of the connection."""

    _connection: socket.socket | None

    @property
    def socket(self) -> socket.socket:
        """The open socket. Raises ConnectionError."""
        if self._connection is None:
            raise ConnectionError("the connection is closed")
        return self._connection

    def connect(self, transport_timeout_s: float) -> None:
        """Connect within that time."""
        super().connect(transport_timeout_s)
        notice_death(self.socket)

    def bulk_read(self, numbytes: int, transport_timeout_s: float | None) -> bytes:
        """At least one byte. At the end of the connection adb-shell would ask again and again."""
        piece: bytes = super().bulk_read(numbytes, transport_timeout_s)
        if not piece:
            raise ConnectionError("the phone closed the connection")
        return piece

    def bulk_write(self, data: bytes, transport_timeout_s: float | None) -> int:
        """All of it; adb-shell's own sends a part and does not say so to its caller."""
        rest, deadline = memoryview(data), time.monotonic() + (transport_timeout_s or DEAD_S)
        while rest and self.socket:
            rest = rest[super().bulk_write(rest, max(deadline - time.monotonic(), 0)) :]
        return len(data)


class DirectAdbd(Adbd):
    """Connections to HOST:PORT. Each serves one stream at a time, since a quiet one would hold up the others."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._connect: Callable[[], Connection] = lambda: Connection(host, port, timeout_s)
        self._idle = [self._connect()]
        self._all = list(self._idle)

    def open(self, service: str) -> Channel:
        """Open a service, on a connection that is idle or a new one."""
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


class Connection:
    """A connection that has shaken hands, and sends and receives adb's packets."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self.name = f"{host}:{port}"
        self.closed = False
        self.services = 0
        """How many were opened: each has its number as its local id."""
        self._wire = Wire(host, port)
        device = AdbDevice(self._wire)
        try:
            _shake_hands(device, self.name, timeout_s)
        except BaseException:
            self._wire.close()
            raise
        self.most_bytes: int = device.max_chunk_size
        """Of one packet."""

    def send(self, command: bytes, local_id: int, remote_id: int, content: bytes = b"") -> None:
        """Send a packet. Raises DeviceGone."""
        message = AdbMessage(command, local_id, remote_id, content)
        try:
            self._wire.bulk_write(message.pack() + content, DEAD_S)
        except LOST as error:
            raise self._gone(error) from error

    def receive(self, wait_s: float) -> tuple[bytes, int, int, bytes] | None:
        """The next packet: command, their id, our id, content. None if none begins in that time. Raises DeviceGone."""
        try:
            if not select.select([self._wire.socket], [], [], max(wait_s, 0))[0]:
                return None
            command, theirs, ours, length, _ = unpack(self._exactly(constants.MESSAGE_SIZE))
            return constants.WIRE_TO_ID[command], theirs, ours, self._exactly(length)
        except LOST as error:
            raise self._gone(error) from error

    def close(self) -> None:
        """Close it."""
        self.closed = True
        self._wire.close()

    def _exactly(self, count: int) -> bytes:
        content = bytearray()
        while len(content) < count:
            content += self._wire.bulk_read(count - len(content), DEAD_S)
        return bytes(content)

    def _gone(self, error: BaseException) -> DeviceGone:
        self.close()
        return DeviceGone(f"{self.name}: the connection is lost: {error}")


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
        connection.send(constants.OPEN, self._ours, 0, service.encode() + b"\0")
        deadline = time.monotonic() + DEAD_S
        while not self._may_send:
            if time.monotonic() > deadline:
                connection.close()
                raise DeviceGone(f"{connection.name}: the phone answered nothing for {DEAD_S} s")
            if self._next(deadline - time.monotonic()) is None:
                self._open = False
                raise ServiceRefused(f"{connection.name}: the phone refuses {service.partition(':')[0]}")

    def receive(self, wait_s: float) -> bytes | None:
        """What comes."""
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
        """Send a piece where the phone has acknowledged what was sent before."""
        if self._unsent and self._may_send and self._open:
            piece = bytes(self._unsent[: self._connection.most_bytes])
            del self._unsent[: len(piece)]
            self._may_send = False
            self._connection.send(constants.WRTE, self._ours, self._theirs, piece)


def _shake_hands(device: AdbDevice, name: str, timeout_s: float) -> None:
    """Authenticate with the keys that there are. Raises Unreachable saying what to do."""
    asked: list[object] = []
    try:
        device.connect(signers(), timeout_s, timeout_s, timeout_s, auth_callback=asked.append)
    except LOST as error:
        if asked:
            raise Unreachable(
                f"{name}: the phone does not trust this computer yet: unlock it, tap Always allow from this computer "
                "and Allow, then run the same command again"
            ) from error
        if isinstance(error, InvalidCommandError) and "STLS" in str(error):
            raise NeedsTls(
                f"{name}: the phone wants TLS (wireless debugging): pair with adb pair HOST:PORT and the code that it "
                f"shows, then adb connect {name}, then run the same command again"
            ) from error
        if isinstance(error, NOISE):
            raise Unreachable(f"{name}: expected a phone's adbd, but found another service: {error}") from error
        raise Unreachable(
            f"{name}: cannot connect: {error}; is the phone on, in this network, with debugging over TCP enabled "
            "(adb tcpip 5555)?"
        ) from error
