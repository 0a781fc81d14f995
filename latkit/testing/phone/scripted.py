"""A scripted adbd, for behavior that the real one cannot show: keys, faults, and missing features of old phones.

It implements enough of the protocol for adb's own client; the tests of the
adb transport check that. Commands really run, here.
"""

from __future__ import annotations

import base64
import secrets
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue

from adb_shell import constants
from adb_shell.adb_message import AdbMessage, unpack
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from latkit.testing.sockets import listening, receive_exactly, shut

BANNER = "device::ro.product.name=scripted;ro.product.model=Scripted;ro.product.device=scripted;features={}"
TOKEN, SIGNATURE, PUBLIC_KEY = 1, 2, 3
STARTTLS = struct.pack("<6L", 0x534C5453, 0x01000000, 0, 0, 0, 0x534C5453 ^ 0xFFFFFFFF)
MAX_BYTES = 4096


class Pulled(Exception):
    """The cable was pulled, as scripted."""


@dataclass
class Script:
    """How the phone behaves."""

    shell_v2: bool = True
    """Whether it offers the features of Android 7."""
    wants_key: bool = False
    says_allow: bool = False
    """Whether its user taps Allow when a new key is shown."""
    wants_tls: bool = False
    trusted: list[bytes] = field(default_factory=list)
    """Public keys, as adb writes them."""
    pulled_at: str = ""
    """At which stage the cable is pulled: `connect`, `hello`, `open`, `input`, `output`, `end`."""
    pulled_after: int = 0
    """How often this stage passes before."""
    passed: Counter[str] = field(default_factory=Counter)
    """How often each stage was passed."""
    silent: bool = False
    """Whether a pulled cable shows as silence, else as the end of the connection."""
    refused: list[bytes] = field(default_factory=list)
    """Keys that were shown to it, and not trusted."""

    def at(self, stage: str) -> None:
        """Pull the cable, if the script says so for this stage."""
        if stage == self.pulled_at and self.passed[stage] >= self.pulled_after:
            raise Pulled
        self.passed[stage] += 1


class Phone:
    """One connection: the handshake, then packets passed to their services."""

    def __init__(self, sock: socket.socket, script: Script, services: Services) -> None:
        self.script = script
        self._socket = sock
        self._services = services
        self._open: dict[int, Service] = {}
        self._lock = threading.Lock()
        self._pulled = False

    def serve(self) -> None:
        """Until the client goes, or the cable is pulled."""
        try:
            self._shake_hands()
            while True:
                self._take(*self._receive())
        except Pulled:
            self.pull()
            while self._socket.recv(MAX_BYTES):  # a silent phone keeps the connection
                continue
        except (OSError, EOFError):
            pass
        finally:
            for service in self._open.values():
                service.given.put(None)
                service.acknowledged.release()

    def send(self, command: bytes, ours: int, theirs: int, content: bytes = b"") -> None:
        """Send a packet. Raises BrokenPipeError once the cable is pulled."""
        with self._lock:
            if self._pulled:
                raise BrokenPipeError
            self._socket.sendall(AdbMessage(command, ours, theirs, content).pack() + content)

    def pull(self) -> None:
        """No byte passes any more; a silent phone leaves the client to notice."""
        self._pulled = True
        if not self.script.silent:
            shut(self._socket)

    def _shake_hands(self) -> None:
        self.script.at("connect")
        self._receive()
        self.script.at("hello")
        if self.script.wants_tls:
            self._socket.sendall(STARTTLS)
            self._receive()
        if self.script.wants_key:
            self._authenticate()
        features = "shell_v2,cmd" if self.script.shell_v2 else "cmd"
        self.send(constants.CNXN, 0x01000000, MAX_BYTES, BANNER.format(features).encode())

    def _authenticate(self) -> None:
        token = secrets.token_bytes(20)
        while True:
            self.send(constants.AUTH, TOKEN, 0, token)
            _, kind, _, content = self._receive()
            if kind == SIGNATURE and any(has_signed(key, token, content) for key in self.script.trusted):
                return
            if kind == PUBLIC_KEY:
                key = content.rstrip(b"\0")
                if self.script.says_allow:
                    self.script.trusted.append(key)
                    return
                self.script.refused.append(key)
                self._receive()  # nobody taps anything, until the client gives up

    def _take(self, command: bytes, theirs: int, ours: int, content: bytes) -> None:
        if command == constants.OPEN:
            self.script.at("open")
            self._start(theirs, content.rstrip(b"\0").decode())
            return
        service = self._open.get(ours)
        if service is None:
            return
        if command == constants.WRTE:
            self.script.at("input")
            service.given.put(content)
            self.send(constants.OKAY, ours, theirs)
        elif command == constants.OKAY:
            service.acknowledged.release()
        elif command == constants.CLSE:
            service.given.put(None)
            self.send(constants.CLSE, ours, theirs)  # or adb-shell waits for it until its time is up

    def _start(self, theirs: int, name: str) -> None:
        kind, _, arguments = name.partition(":")
        run = self._services(self.script).get(kind.partition(",TERM")[0])
        if run is None:
            self.send(constants.CLSE, 0, theirs)
            return
        service = Service(self, len(self._open) + 1, theirs)
        self._open[service.ours] = service
        self.send(constants.OKAY, service.ours, theirs)
        threading.Thread(target=service.run, args=(run, arguments), daemon=True).start()

    def _receive(self) -> tuple[bytes, int, int, bytes]:
        command, theirs, ours, length, _ = unpack(receive_exactly(self._socket, constants.MESSAGE_SIZE))
        return constants.WIRE_TO_ID[command], theirs, ours, receive_exactly(self._socket, length)


class Service:
    """A service that the client has opened."""

    def __init__(self, phone: Phone, ours: int, theirs: int) -> None:
        self.ours, self.theirs = ours, theirs
        self.given: SimpleQueue[bytes | None] = SimpleQueue()
        """The client's data; None when it has closed the service."""
        self.acknowledged = threading.Semaphore(1)
        self._phone = phone

    def run(self, work: Work, arguments: str) -> None:
        """In a thread of its own."""
        try:
            work(self, arguments)
            self._at("end")
            self._phone.send(constants.CLSE, self.ours, self.theirs)
        except (OSError, EOFError):
            pass

    def write(self, content: bytes) -> None:
        """Send to the client, piece by piece, each once the previous one was acknowledged."""
        for begin in range(0, len(content), MAX_BYTES):
            self.acknowledged.acquire()
            self._phone.send(constants.WRTE, self.ours, self.theirs, content[begin : begin + MAX_BYTES])
            self._at("output")

    def _at(self, stage: str) -> None:
        try:
            self._phone.script.at(stage)
        except Pulled:
            self._phone.pull()
            raise BrokenPipeError from None


Work = Callable[[Service, str], None]
Services = Callable[[Script], dict[str, Work]]
"""A phone's services, by kind."""


@contextmanager
def scripted_adbd(script: Script, services: Services) -> Iterator[str]:
    """Run the phone; its address. Each connection has a thread."""
    with listening(lambda connection: Phone(connection, script, services).serve()) as port:
        yield f"127.0.0.1:{port}"


def has_signed(public_key: bytes, token: bytes, signature: bytes) -> bool:
    """Whether the token was signed by the owner of a key as adb writes it: its modulus, 256 bytes, begins at 8."""
    packed = base64.b64decode(public_key.split()[0])
    modulus, exponent = int.from_bytes(packed[8:264], "little"), int.from_bytes(packed[-4:], "little")
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    try:
        key.verify(signature, token, padding.PKCS1v15(), utils.Prehashed(hashes.SHA1()))
    except InvalidSignature:
        return False
    return True
