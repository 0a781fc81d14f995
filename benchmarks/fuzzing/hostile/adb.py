"""Phones and adb servers that lie, on loopback. They run no command."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.fuzzing.hostile.agent import HONEST, Agent, Script
from benchmarks.fuzzing.hostile.shell import Shell
from latkit.testing.phone import scripted
from latkit.testing.phone.fake_server import block
from latkit.testing.phone.services import EXIT, HEADER, STDERR, STDOUT, frame
from latkit.testing.sockets import Handle, receive_exactly

MAX_FRAME = 4000
ANSWER_S = 30.0

Write = Callable[[bytes], None]
Read = Callable[[], bytes | None]


@dataclass
class PhoneShell:
    """The service `shell,v2` of a phone."""

    shell: Shell
    script: Script = field(default_factory=dict)
    raw: bytes = b""
    """Sent in place of any frame."""

    def run(self, command: str, write: Write, read: Read, gone: Callable[[], bool]) -> None:
        """Answer a command."""
        if self.raw:
            write(self.raw)
            return
        out, err = self.shell.mark(command)
        write((frame(STDERR, err) if err else b"") + frame(STDOUT, out))
        if self.shell.is_agent(command):
            agent = Agent(self.script or HONEST, gone)
            for chunk in agent.conversation(_lines(read)):
                self._say(write, chunk)
        elif (reply := self.shell.answer(command)) == b"for ever":
            while not gone():
                self._say(write, b"x" * MAX_FRAME)
        else:
            self._say(write, reply)
        write(frame(EXIT, b"\0"))

    def _say(self, write: Write, content: bytes) -> None:
        for begin in range(0, len(content), MAX_FRAME):
            write(frame(STDOUT, content[begin : begin + MAX_FRAME]))


def _lines(read: Read) -> Iterator[bytes]:
    """The content of stdin, from its frames, line by line."""
    frames, text = bytearray(), bytearray()
    while (chunk := read()) is not None:
        frames += chunk
        while len(frames) >= HEADER.size:
            kind, length = HEADER.unpack_from(frames)
            if len(frames) < HEADER.size + length:
                break
            if kind == 0:
                text += frames[HEADER.size : HEADER.size + length]
            del frames[: HEADER.size + length]
        while b"\n" in text:
            line, _, rest = bytes(text).partition(b"\n")
            text = bytearray(rest)
            yield line


@contextmanager
def phone(shell: PhoneShell) -> Iterator[str]:
    """A phone over TCP; its address."""

    def run(service: scripted.Service, command: str) -> None:
        shell.run(command, service.write, service.given.get, lambda: False)

    services: dict[str, Callable[[scripted.Service, str], None]] = {"shell,v2,raw": run, "shell,v2": run}
    with scripted.scripted_adbd(scripted.Script(), lambda _script: services) as address:
        yield address


def packet(command: bytes, first: int, second: int, content: bytes = b"", length: int | None = None) -> bytes:
    """A packet of adb's, optionally of another length than it claims."""
    word = int.from_bytes(command, "little")
    size = len(content) if length is None else length
    return struct.pack("<6L", word, first, second, size, sum(content) & 0xFFFFFFFF, word ^ 0xFFFFFFFF) + content


def shows(*chunks: bytes, then_s: float = 0.0, endless: bytes = b"") -> Handle:
    """After the client's first message: these pieces, then a piece forever, or silence for some seconds."""

    def talk(connection: socket.socket) -> None:
        connection.settimeout(ANSWER_S)
        connection.recv(4096)
        for chunk in chunks:
            connection.sendall(chunk)
        while endless:
            connection.sendall(endless)
        time.sleep(then_s)

    return talk


@dataclass
class AdbServer:
    """An adb server that knows phones of any serial and state."""

    listing: bytes = b"phone\tdevice\n"
    shell: PhoneShell = field(default_factory=lambda: PhoneShell(Shell()))
    answers: dict[str, bytes] = field(default_factory=dict)
    """Raw answers to requests that begin with a text."""

    def talk(self, connection: socket.socket) -> None:
        """Serve a connection."""
        while True:
            request = receive_exactly(connection, int(receive_exactly(connection, 4), 16)).decode("utf-8", "replace")
            given = next((reply for begin, reply in self.answers.items() if request.startswith(begin)), None)
            if given is not None:
                connection.sendall(given)
                if given == b"":
                    time.sleep(ANSWER_S)
                return
            if request.startswith("host:version"):
                connection.sendall(b"OKAY" + block("0029"))
                return
            if request.startswith("host:devices"):
                connection.sendall(b"OKAY" + b"%04x" % len(self.listing) + self.listing)
                return
            if request.startswith(("host:transport", "host:tport", "host-serial")):
                connection.sendall(b"OKAY" + (b"\1" + bytes(7) if "tport" in request else b""))
                continue
            self._serve(connection, request)
            return

    def _serve(self, connection: socket.socket, request: str) -> None:
        connection.sendall(b"OKAY")
        command = request.partition(":")[2]
        self.shell.run(command, connection.sendall, lambda: connection.recv(65536) or None, lambda: False)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(ANSWER_S)
        while connection.recv(65536):  # closed before all is read, it would take back what it has sent
            continue
