"""The holder of a lease: a process of this host, distinguished from every other, also from later ones
of the same id.
"""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import time
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from latkit._io import one_line
from latkit._io.moments import moment_written

MAX_NAME_CHARS = 64
"""Maximum length of a user's name and of a host's, as on Linux."""
MAX_PURPOSE_CHARS = 200
MAX_PID = 2**22
"""The kernel's own limit."""
MAX_TTL_S = 300.0
"""Maximum validity of a record, whatever it contains: any user of this host may write one."""


class Holder(BaseModel):
    """Who holds a device. Any user may have written it, so every field has bounds; a record beyond them is invalid."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)
    token: str = Field(max_length=MAX_NAME_CHARS)
    """Distinguishes this lease from every other."""
    user: str = Field(max_length=MAX_NAME_CHARS)
    host: str = Field(max_length=MAX_NAME_CHARS)
    pid: int = Field(ge=1, le=MAX_PID)
    pid_namespace: str = Field(default="", max_length=MAX_NAME_CHARS)
    """The kernel's name of the namespace of `pid`; containers have their own. Empty if unknown."""
    process_start: int = Field(ge=-1, lt=2**63)
    """Clock ticks from the boot to the process's start: distinguishes it from a later one of the same
    id. 0 if unknown.
    """
    boot_id: str = Field(max_length=MAX_NAME_CHARS)
    purpose: str = Field(max_length=MAX_PURPOSE_CHARS)
    """The target, or the other work."""
    since: str = Field(max_length=MAX_NAME_CHARS)
    """ISO 8601 with the host's time zone."""
    renewed_s: float = Field(allow_inf_nan=False)
    """By the host's monotonic clock, which cannot be set back."""
    ttl_s: float = Field(allow_inf_nan=False)

    def __str__(self) -> str:
        return one_line(
            f"{self.user} (process {self.pid} on {self.host}) since {moment_written(self.since)} for {self.purpose}",
            600,
        )

    @property
    def live(self) -> bool:
        """Whether the lease is valid: its time to live has not run out, and no visible sign shows that its process
        died.

        A process in another container is not visible, nor is one in an unknown namespace; both count as alive.
        """
        fresh = 0 <= time.monotonic() - self.renewed_s <= min(self.ttl_s, MAX_TTL_S)
        if not fresh or self.boot_id != host_boot_id():
            return False
        return self.pid_namespace != pid_namespace() or is_alive(self.pid, self.process_start)


def ourselves(purpose: str, ttl_s: float) -> Holder:
    """A record of this process, about to hold a device for `ttl_s` seconds at a time."""
    return Holder(
        token=secrets.token_hex(8),
        user=one_line(user_name(), MAX_NAME_CHARS),
        host=one_line(socket.gethostname(), MAX_NAME_CHARS),
        pid=os.getpid(),
        pid_namespace=pid_namespace(),
        process_start=process_start(os.getpid()),
        boot_id=host_boot_id(),
        purpose=one_line(purpose, MAX_PURPOSE_CHARS),
        since=datetime.now().astimezone().isoformat(timespec="seconds"),
        renewed_s=time.monotonic(),
        ttl_s=ttl_s,
    )


def user_name() -> str:
    """The user of this process; the number where there is no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


def host_boot_id() -> str:
    """The kernel's boot id of this machine; empty if it reports none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def pid_namespace() -> str:
    """The kernel's name of this process's PID namespace, such as `pid:[4026531836]`; empty if unknown."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def process_start(pid: int) -> int:
    """Clock ticks from the boot to the process's start; 0 if it cannot be read, -1 for a process that has died."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return -1 if fields[0] == "Z" else int(fields[19])
    except (OSError, ValueError, IndexError):
        return 0


def is_alive(pid: int, start: int) -> bool:
    """Whether the process that started then is alive; 0 for an unknown start."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process, whose start may be hidden
        pass
    found = process_start(pid)
    return not found or not start or found == start
