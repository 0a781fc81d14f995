"""A command that runs over SSH: how its arguments pass the login shell, and what has arrived of its output."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import threading
from collections.abc import Iterator, Sequence

import paramiko

from latkit.devices.transports.ssh.connect import close_all
from latkit.devices.transports.start_mark import StartMark
from latkit.errors import DeviceGone

CHUNK_BYTES = 32768
MAX_PIECES = 32
"""Maximum to receive at once: it fits into the window of a channel, and reveals a server that sends without end."""
MAX_WAITING_BYTES = 4 * 2**20
"""paramiko grants half of a channel's unread window; a server that sends more is at fault."""
GRACE_S = 10.0
"""This long after its deadline, a command that cannot be closed takes the connection with it."""
AWKWARD = re.compile(r"[^ -~]|['\\!]")
"""Characters that not every login shell accepts in quotes: csh ends a word at a newline, and expands `!`."""
DECODE = (
    'i=$#; while [ "$i" -gt 0 ]; do w=$(printf "%b." "$1"); shift; set -- "$@" "${w%.}"; i=$((i-1)); done; '  # one line
)
EXECUTE = 'exec "$@"'


def command_line(argv: Sequence[str], mark: StartMark | None = None) -> str:
    """The command as a line that any login shell passes to `sh` unchanged. Prints the mark first if there is one."""
    script = mark.script() if mark else ""
    if any(AWKWARD.search(word) for word in argv):
        return shlex.join(["sh", "-c", f"{script}{DECODE}{EXECUTE}", "sh", *map(_encode, argv)])
    return shlex.join(["sh", "-c", f"{script}{EXECUTE}", "sh", *argv])


def _encode(word: str) -> str:
    """As `printf %b` reads it."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and chr(byte) not in "'\\!" else f"\\0{byte:03o}" for byte in os.fsencode(word)
    )


@contextlib.contextmanager
def closed_after(transport: paramiko.Transport, seconds: float) -> Iterator[None]:
    """Close the connection if the block takes longer: some of paramiko's waits have no end."""
    timer = threading.Timer(seconds, close_all, [[transport]])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Command:
    """A running command, and what has arrived of its output. Both outputs are drained, otherwise it would block."""

    def __init__(self, channel: paramiko.Channel, mark: StartMark, name: str) -> None:
        self.channel = channel
        self.mark = mark
        self.out, self.err = bytearray(), bytearray()
        self._name = name
        self._input_ended = False
        # not channel.fileno(): its pipe is closed while paramiko's thread still writes to it
        self._arrived = threading.Event()
        for buffer in (channel.in_buffer, channel.in_stderr_buffer):
            buffer.set_event(self._arrived)

    @property
    def ended(self) -> bool:
        """Whether the command has ended and all its output has arrived. Raises DeviceGone if it never will."""
        channel = self.channel
        if channel.recv_ready() or channel.recv_stderr_ready():
            return False
        if not channel.get_transport().is_active() and not channel.eof_received:
            raise DeviceGone(f"{self._name}: the connection is lost")
        return bool((channel.eof_received or channel.closed) and channel.exit_status_ready())

    @property
    def exit_status(self) -> int | None:
        """The exit status, once it has arrived."""
        return int(self.channel.exit_status) if self.channel.exit_status_ready() else None

    def feed(self, stdin: bytes) -> bytes:
        """Send as much of stdin as possible now, and its end after it. Returns the rest."""
        channel = self.channel
        with contextlib.suppress(OSError):  # a command may end without reading all
            if stdin and channel.send_ready():
                stdin = stdin[channel.send(stdin[:CHUNK_BYTES]) :]
            if not stdin and not self._input_ended:
                self._input_ended = True
                channel.shutdown_write()
        return stdin

    def receive(self, wait_s: float) -> None:
        """Wait that long for either output, and receive what is there. Raises DeviceGone."""
        channel = self.channel
        if channel.eof_received and not channel.exit_status_ready():
            channel.status_event.wait(max(wait_s, 0))
        else:
            self._wait(wait_s)
        for ready, take, into in (
            (channel.recv_ready, channel.recv, self.out),
            (channel.recv_stderr_ready, channel.recv_stderr, self.err),
        ):
            for _ in range(MAX_PIECES):
                if not ready():
                    break
                into += take(CHUNK_BYTES)
        if len(channel.in_buffer) + len(channel.in_stderr_buffer) > MAX_WAITING_BYTES:
            close_all([channel.get_transport()])
            raise DeviceGone(f"{self._name}: the server sends more than was requested; the connection was closed")
        self.mark.strip(self.out, self.err)

    def close(self) -> None:
        """Close the channel; nothing happens if the connection is already lost."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self.channel.close()

    def _wait(self, wait_s: float) -> None:
        """Wait that long for output, or for its end."""
        channel = self.channel
        self._arrived.clear()
        if not (channel.recv_ready() or channel.recv_stderr_ready() or channel.eof_received or channel.closed):
            self._arrived.wait(max(wait_s, 0))
