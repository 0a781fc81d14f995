"""The holder of a lease: a process of this host, told apart from every other, also from later ones of the same id."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import time
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Holder(BaseModel):
    """Who holds a device."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    token: str
    """Tells this lease from every other."""
    user: str
    host: str
    pid: int
    process_start: int
    """Clock ticks from the boot to the process's start: tells it from a later one of the same id. 0 if unknown."""
    boot_id: str
    purpose: str
    """The target, or what else is done."""
    since: str
    """ISO 8601 with the host's time zone."""
    renewed_s: float
    """By the host's monotonic clock, which nobody sets back."""
    ttl_s: float

    def __str__(self) -> str:
        return f"{self.user} (process {self.pid} on {self.host}) since {self.since} for {self.purpose}"

    @property
    def live(self) -> bool:
        """Whether the lease still binds: its process lives, and its time to live has not run out."""
        fresh = 0 <= time.monotonic() - self.renewed_s <= self.ttl_s
        return fresh and self.boot_id == host_boot_id() and _lives(self.pid, self.process_start)


def ourselves(purpose: str, ttl_s: float) -> Holder:
    """This process, about to hold a device for `ttl_s` seconds at a time."""
    return Holder(
        token=secrets.token_hex(8),
        user=_user(),
        host=socket.gethostname(),
        pid=os.getpid(),
        process_start=_process_start(os.getpid()),
        boot_id=host_boot_id(),
        purpose=purpose,
        since=datetime.now().astimezone().isoformat(timespec="seconds"),
        renewed_s=time.monotonic(),
        ttl_s=ttl_s,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


def host_boot_id() -> str:
    """What this machine's kernel calls this run of itself; empty where it does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _process_start(pid: int) -> int:
    """Clock ticks from the boot to the process's start; 0 where it cannot be read, -1 for one that has died."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return -1 if fields[0] == "Z" else int(fields[19])
    except (OSError, ValueError, IndexError):
        return 0


def _lives(pid: int, process_start: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's, whose start may be hidden from us
        pass
    found = _process_start(pid)
    return not found or not process_start or found == process_start
