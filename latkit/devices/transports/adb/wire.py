"""A connection to a phone's adbd over TCP, by adb-shell: its handshake, keys and packets."""

from __future__ import annotations

import socket
import time

from adb_shell import constants
from adb_shell.adb_device import AdbDevice
from adb_shell.adb_message import AdbMessage, unpack
from adb_shell.exceptions import (
    AdbConnectionError,
    AdbTimeoutError,
    InvalidCommandError,
    InvalidResponseError,
    TcpTimeoutException,
)
from adb_shell.transport.tcp_transport import TcpTransport

from latkit.devices.transports.adb.keys import signers
from latkit.devices.transports.faults import faults_as
from latkit.devices.transports.sockets import DEAD_S, notice_death, wait_for
from latkit.errors import DeviceGone, Unreachable

NO_ANSWER = (AdbTimeoutError, TcpTimeoutException, AdbConnectionError, OSError, EOFError)
"""Exceptions of adb-shell that mean that nothing arrived; all others mean that the answer is not adb's."""
MAX_HANDSHAKE_BYTES = 2**18
"""Keys and a phone's description of itself take 1 % of it."""
MIN_PACKET_BYTES = 1024
SLOWEST_BYTES_PER_S = 20_000


class NeedsTls(Unreachable):
    """The phone requires TLS at this port, as for wireless debugging: the adb server has the certificates for it."""


class Wire(TcpTransport):  # type: ignore[misc] # adb-shell has no types
    """adb-shell's socket: sends at once and completely, and detects a dead phone and the end of the connection."""

    _connection: socket.socket | None
    budget_bytes: int | None = None
    """Maximum bytes to read during the handshake: adb-shell itself would read the 4 GiB that a phone may claim."""

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
        if self.budget_bytes is not None:
            if numbytes > self.budget_bytes:
                raise InvalidResponseError(f"a packet of {numbytes} bytes before hands were shaken")
            self.budget_bytes -= numbytes
        if not wait_for(self.socket, DEAD_S if transport_timeout_s is None else transport_timeout_s)[0]:
            raise TcpTimeoutException(f"the phone said nothing for {transport_timeout_s} s")
        chunk = self.socket.recv(numbytes)
        if not chunk:
            raise ConnectionError("the phone closed the connection")
        return chunk

    def bulk_write(self, data: bytes, transport_timeout_s: float | None) -> int:
        """Send all of it; adb-shell's own method sends a part and does not report that to its caller."""
        rest, deadline = memoryview(data), time.monotonic() + (transport_timeout_s or DEAD_S)
        while rest:
            if not wait_for(self.socket, deadline - time.monotonic(), to_read=False, to_write=True)[1]:
                raise TcpTimeoutException("the phone takes nothing")
            rest = rest[self.socket.send(rest) :]
        return len(data)


class Connection:
    """A connection after the handshake, which sends and receives adb's packets."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self.name = f"{host}:{port}"
        self.closed = False
        self.services = 0
        """Number of opened services: each has its number as its local id."""
        self._wire = Wire(host, port)
        self._wire.budget_bytes = MAX_HANDSHAKE_BYTES
        device = AdbDevice(self._wire)
        try:
            _shake_hands(device, self.name, timeout_s)
        except BaseException:
            self._wire.close()
            raise
        self._wire.budget_bytes = None
        self.max_bytes: int = device.max_chunk_size
        """Maximum size of a packet to the phone, as it reports."""
        if self.max_bytes < MIN_PACKET_BYTES:
            self._wire.close()
            raise Unreachable(
                f"{self.name}: expected a phone that takes packets, but found one of {self.max_bytes} bytes"
            )

    def send(self, command: bytes, local_id: int, remote_id: int, content: bytes = b"") -> None:
        """Send a packet. Raises DeviceGone."""
        message = AdbMessage(command, local_id, remote_id, content)
        with faults_as(self._gone):
            self._wire.bulk_write(message.pack() + content, DEAD_S)

    def receive(self, wait_s: float) -> tuple[bytes, int, int, bytes] | None:
        """The next packet: command, their id, our id, content. None if none begins in that time. Raises DeviceGone."""
        with faults_as(self._gone):
            if not wait_for(self._wire.socket, wait_s)[0]:
                return None
            command, theirs, ours, length, _ = unpack(self._exactly(constants.MESSAGE_SIZE))
            if length > constants.MAX_ADB_DATA:
                raise InvalidResponseError(f"a packet of {length} bytes, more than was agreed")
            if command not in constants.WIRE_TO_ID:
                raise InvalidResponseError(f"the unknown packet {command:#x}")
            return constants.WIRE_TO_ID[command], theirs, ours, self._exactly(length)

    def close(self) -> None:
        """Close it."""
        self.closed = True
        self._wire.close()

    def _exactly(self, count: int) -> bytes:
        content = bytearray()
        deadline = time.monotonic() + DEAD_S + count / SLOWEST_BYTES_PER_S  # bounds a trickle of bytes
        while len(content) < count:
            left = deadline - time.monotonic()
            if left < 0:
                raise AdbTimeoutError(f"{len(content)} of {count} bytes came in time")
            content += self._wire.bulk_read(count - len(content), min(left, DEAD_S))
        return bytes(content)

    def _gone(self, why: str) -> DeviceGone:
        self.close()
        return DeviceGone(f"{self.name}: the connection is lost: {why}")


def _shake_hands(device: AdbDevice, name: str, timeout_s: float) -> None:
    """Authenticate with the available keys. Raises Unreachable with what to do."""
    auth_requests: list[object] = []
    try:
        with faults_as(Unreachable):
            device.connect(signers(), timeout_s, timeout_s, timeout_s, auth_callback=auth_requests.append)
    except Unreachable as error:
        cause = error.__cause__
        if auth_requests:
            raise Unreachable(
                f"{name}: the phone does not trust this computer yet: unlock it, tap Always allow from this computer "
                "and Allow, then run the same command again"
            ) from error
        if isinstance(cause, InvalidCommandError) and "STLS" in str(cause):
            raise NeedsTls(
                f"{name}: the phone wants TLS (wireless debugging): pair with adb pair HOST:PORT and the code that it "
                f"shows, then adb connect {name}, then run the same command again"
            ) from error
        # what hangs up in the middle of the handshake was there, and does not speak adb
        if not isinstance(cause, NO_ANSWER) or isinstance(cause, ConnectionResetError | BrokenPipeError):
            raise Unreachable(f"{name}: expected a phone's adbd, but found another service: {error}") from error
        raise Unreachable(
            f"{name}: cannot connect: {error}; is the phone on, in this network, with debugging over TCP enabled "
            "(adb tcpip 5555)?"
        ) from error
