"""The mark that a command prints before it begins, which separates its own output from that of its login shell.

A login shell may print anything first: a greeting, numbers, or only that nobody may log in. So each command prints an
unguessable mark, its process id and its start time. What precedes the mark is not part of its output, and only a
process of that id and that start time is ever killed.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from latkit._io import one_line
from latkit.errors import DeviceGone, Unreachable

MAX_NOISE_BYTES = 2**20
"""Maximum output before the mark, on either output."""
MAX_PID = 2**22
"""The largest process id of Linux."""
SHOWN_CHARS = 200
START_FIELD = 20
"""In /proc/PID/stat behind the name in parentheses, the start time of the process; it is unchanged by `exec`."""
KILL = (
    'read -r s < "/proc/$1/stat" || exit 0; s=${s##*) }; p=$1; t=$2; set -- $s; [ "${20}" = "$t" ] || exit 0; '
    'kill -9 "-$p"; kill -9 "$p"'
)
"""Kills the process $1 and the group it leads, if it was started at $2. One line: csh accepts no more as a word."""


@dataclass(frozen=True, slots=True)
class RemoteProcess:
    """A process of a device: its id, and the clock tick of its start."""

    pid: int
    started: int


class StartMark:
    """The mark of one command. Until it was seen, no received byte counts as the command's."""

    def __init__(self, name: str) -> None:
        """`name`: the device's name, for messages."""
        # in two halves, so that a shell that echoes its command line does not print it
        self._halves = secrets.token_hex(8), secrets.token_hex(8)
        word = "".join(self._halves).encode()
        self._on_err = word + b"\n"
        self._on_out = re.compile(word + rb" ([0-9]{1,10}) ([^\n]{0,2000})\n")
        self._name = name
        self._noise = b""
        self.is_found = False
        self.is_found_on_stderr = False
        self.process: RemoteProcess | None = None
        """Once the mark was seen; None if the device has no /proc to report it, and then the process is
        never killed.
        """

    def script(self, on_err: bool = True) -> str:
        """Shell commands that print the mark; one line, without quotes that a login shell could interpret."""
        first, second = self._halves
        err = f'echo {first}""{second} >&2; ' if on_err else ""
        # A subshell reads it: qemu's user emulation makes up the start time that a process reads of itself. The kill
        # compares with the kernel's.
        started = 's=$(read -r s < /proc/$$/stat; echo "$s")'
        return f'{started}; {err}echo {first}""{second} $$ "$s"; '

    def strip(self, out: bytearray, err: bytearray) -> None:
        """Remove everything up to the mark from what has arrived on either output. Raises DeviceGone."""
        if not self.is_found:
            self._strip_out(out)
        if not self.is_found_on_stderr:
            end = err.find(self._on_err)
            if end >= 0:
                self._noise += bytes(err[:end])[-MAX_NOISE_BYTES:]
                del err[: end + len(self._on_err)]
            self.is_found_on_stderr = end >= 0 or (self.is_found and len(err) > MAX_NOISE_BYTES)
        if not self.is_found and len(out) + len(err) > MAX_NOISE_BYTES:
            raise DeviceGone(f"{self._name}: {self.shell_prints(err)}, and does not end")

    def check_found(self, exit_status: int | None, err: bytearray) -> None:
        """At the end of a command: raise Unreachable unless it has begun, with the output of its login shell.

        If there was no output and no status, the command was only cut off.
        """
        if not self.is_found and (exit_status is not None or self._noise or err):
            status = "" if exit_status is None else f" (exit status {exit_status})"
            raise Unreachable(f"{self._name}: the login shell there runs no command{status}; {self.shell_prints(err)}")

    def shell_prints(self, err: bytes | bytearray = b"") -> str:
        """What precedes the mark, for a message."""
        text = (self._noise + bytes(err[-MAX_NOISE_BYTES:])).decode(errors="replace").strip()
        return f"its login shell prints: {one_line(text, SHOWN_CHARS)}" if text else "its login shell prints nothing"

    def _strip_out(self, out: bytearray) -> None:
        match = self._on_out.search(out)
        self._noise = bytes(out[: match.start() if match else None])
        if match is None:
            return
        self.is_found, pid = True, int(match[1])
        if not 1 < pid <= MAX_PID:
            raise DeviceGone(f"{self._name}: expected the process id of a command, but found {pid}")
        self.process = _process(pid, match[2])
        del out[: match.end()]


def _process(pid: int, stat: bytes) -> RemoteProcess | None:
    """The process, if the line of /proc is its own: the /proc of another namespace shows another process."""
    fields = stat.rpartition(b") ")[2].split()
    own = stat.split(b" ", 1)[0] == str(pid).encode()
    if not own or len(fields) < START_FIELD or not re.fullmatch(rb"[0-9]{1,18}", fields[START_FIELD - 1]):
        return None
    return RemoteProcess(pid, int(fields[START_FIELD - 1]))
