"""A phone reached through the local adb server: on USB, an emulator, or paired over TLS."""

from __future__ import annotations

import socket
from contextlib import closing

from latkit.devices.transports.adb.channel import Adbd, Channel, ServiceRefused
from latkit.devices.transports.adb.phones import ListedPhone, choose, listed
from latkit.devices.transports.adb.question import Question, Refused
from latkit.devices.transports.faults import faults_as
from latkit.devices.transports.sockets import notice_death, wait_for
from latkit.errors import DeviceGone, Unreachable

CHUNK_BYTES = 65536


class ServerAdbd(Adbd):
    """The phone of that serial. The server is started if none runs, as the command `adb` does."""

    def __init__(self, serial: str) -> None:
        self._serial = serial
        self._channels: list[ServerChannel] = []
        try:
            self._request = self._choose().request(serial)
        except DeviceGone as error:
            raise Unreachable(f"{error}; see whether adb works: adb devices") from error

    def open(self, service: str) -> Channel:
        """Open a service; the server keeps the connection to the phone."""
        with faults_as(self._gone):
            question = Question()
            try:
                self._reach(question)
                self._open(question, service)
            except BaseException:
                question.close()
                raise
        channel = ServerChannel(question.socket, self._serial)
        self._channels = [*(known for known in self._channels if not known.closed), channel]
        return channel

    def close(self) -> None:
        """Close the channels; the server continues."""
        while self._channels:
            self._channels.pop().close()

    def _choose(self) -> ListedPhone:
        """The phone as the server lists it now. Raises Unreachable, DeviceGone."""
        answers = []
        for request in ("host:devices", "host:devices-l"):
            with faults_as(self._gone), closing(Question()) as question:
                try:
                    answers.append(question.answer(request))
                except Refused as error:
                    raise self._gone(str(error)) from error
        return choose(listed(*answers), self._serial)

    def _reach(self, question: Question) -> None:
        try:
            question.ask(self._request)
        except Refused as error:
            raise self._gone(str(error)) from error

    def _open(self, question: Question, service: str) -> None:
        try:
            question.ask(service)
        except Refused as error:
            if "closed" in str(error):
                kind = service.partition(":")[0]
                raise ServiceRefused(f"{self._serial}: the phone refuses {kind}") from error
            raise self._gone(str(error)) from error

    def _gone(self, why: str) -> DeviceGone:
        return DeviceGone(f"{self._serial}: the adb server does not get through: {why}")


class ServerChannel(Channel):
    """A socket to the server, which forwards everything."""

    def __init__(self, sock: socket.socket, serial: str) -> None:
        super().__init__()
        notice_death(sock)
        sock.setblocking(False)
        self._socket = sock
        self._serial = serial
        self.closed = False

    def receive(self, wait_s: float) -> bytes | None:
        """The bytes that arrive."""
        if self.closed:
            return None
        try:
            readable, writable = wait_for(self._socket, wait_s, to_write=bool(self._unsent))
            if writable:
                self._flush()
            return (self._socket.recv(CHUNK_BYTES) or None) if readable else b""
        except ConnectionResetError:
            return None
        except OSError as error:
            raise DeviceGone(f"{self._serial}: the adb server is gone: {error}") from error

    def close(self) -> None:
        """Close the socket, which makes the server close the service."""
        self.closed = True
        self._socket.close()

    def _flush(self) -> None:
        """Send what the server accepts."""
        try:
            while self._unsent and not self.closed:
                del self._unsent[: self._socket.send(self._unsent[: 16 * CHUNK_BYTES])]
        except BlockingIOError:
            return
        except OSError:  # the service has ended, which `receive` reports
            self._unsent.clear()
