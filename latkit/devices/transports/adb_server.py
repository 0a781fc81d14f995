"""A phone reached through the local adb server, by adbutils: on USB, an emulator, or paired over TLS."""

from __future__ import annotations

import select
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from adbutils import AdbClient, AdbConnection, AdbError

from latkit.devices.transports.adb_channel import Adbd, Channel, ServiceRefused
from latkit.devices.transports.sockets import DEAD_S, notice_death
from latkit.errors import DeviceGone, Unreachable

PIECE_BYTES = 65536
TIMEOUT_S = float(DEAD_S)


class ServerAdbd(Adbd):
    """The phone of that serial. The server is started if none runs, as the command `adb` does."""

    def __init__(self, serial: str) -> None:
        self._serial = serial
        self._client = AdbClient()
        self._channels: list[ServerChannel] = []
        try:
            check_serial(self._client, serial)
        except DeviceGone as error:
            raise Unreachable(f"{error}; see whether adb works: adb devices") from error

    def open(self, service: str) -> Channel:
        """Open a service; the server keeps the connection to the phone."""
        with _answers(self._serial):
            connection = self._client.make_connection(TIMEOUT_S)
            try:
                connection.send_command(f"host:transport:{self._serial}")
                connection.check_okay()
                _open(connection, service, self._serial)
            except BaseException:
                connection.close()
                raise
        channel = ServerChannel(connection.conn, self._serial)
        self._channels = [*(known for known in self._channels if not known.closed), channel]
        return channel

    def close(self) -> None:
        """Close the channels; the server goes on."""
        while self._channels:
            self._channels.pop().close()


class ServerChannel(Channel):
    """A socket to the server, which passes everything on."""

    def __init__(self, sock: socket.socket, serial: str) -> None:
        super().__init__()
        notice_death(sock)
        sock.setblocking(False)
        self._socket = sock
        self._serial = serial
        self.closed = False

    def receive(self, wait_s: float) -> bytes | None:
        """What comes."""
        if self.closed:
            return None
        try:
            sending = [self._socket] if self._unsent else []
            readable, writable, _ = select.select([self._socket], sending, [], max(wait_s, 0))
            if writable:
                self._flush()
            return (self._socket.recv(PIECE_BYTES) or None) if readable else b""
        except ConnectionResetError:
            return None
        except OSError as error:
            raise DeviceGone(f"{self._serial}: the adb server is gone: {error}") from error

    def close(self) -> None:
        """Close the socket, by which the server closes the service."""
        self.closed = True
        self._socket.close()

    def _flush(self) -> None:
        """Send what the server takes."""
        try:
            while self._unsent and not self.closed:
                del self._unsent[: self._socket.send(self._unsent[: 16 * PIECE_BYTES])]
        except BlockingIOError:
            return
        except OSError:  # the service has ended, which `receive` will tell
            self._unsent.clear()


def check_serial(client: AdbClient, serial: str) -> None:
    """Raise Unreachable unless the server has that phone and it lets us in; the message says what to do."""
    with _answers(serial):
        found = {device.serial: device.state for device in client.list()}
    state = found.get(serial)
    if state is None:
        there = ", ".join(sorted(found)) or "none; is the phone plugged in, with USB debugging enabled?"
        raise Unreachable(f"expected a phone of serial {serial!r}, but the adb server has: {there}")
    if state == "unauthorized":
        raise Unreachable(
            f"{serial}: the phone does not trust this computer yet: unlock it, tap Always allow from this computer and "
            "Allow, then run the same command again"
        )
    if state != "device":
        raise Unreachable(f"{serial}: expected a phone that is ready, but adb calls it {state}: plug it in anew")


def _open(connection: AdbConnection, service: str, serial: str) -> None:
    connection.send_command(service)
    try:
        connection.check_okay()
    except AdbError as error:
        if "closed" in str(error):
            raise ServiceRefused(f"{serial}: the phone refuses {service.partition(':')[0]}") from error
        raise


@contextmanager
def _answers(serial: str) -> Iterator[None]:
    """What the server says against us, as our errors."""
    try:
        yield
    except (AdbError, OSError, ValueError, subprocess.SubprocessError) as error:
        raise DeviceGone(f"{serial}: the adb server does not get through: {error}") from error
