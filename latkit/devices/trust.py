"""Trust: files of this host that a device file names to be run or followed are confirmed once per host by its user.

A workspace may come from anybody. Its device files name interpreters of this machine, and SSH configurations, which
decide who is shown this user's keys. `device add` confirms its own arguments; everything else asks. A confirmation
covers the content of the file as well as its path: changed content has to be confirmed again.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from latkit.consent import ask
from latkit.devices.device import Device
from latkit.devices.sessions.host_state import recall, remember
from latkit.devices.transports.address import AGENT_FOLDER
from latkit.devices.transports.base import sha256_of
from latkit.errors import UsageError
from latkit.ops import digest

KIND = "trusted"


@dataclass(frozen=True, slots=True)
class Named:
    """A file of this host that a device file names, to be run or followed."""

    what: str
    """A description, such as `the interpreter`."""
    path: Path
    sha256: str
    """SHA-256 of a file; empty for a folder, which is confirmed by its path."""

    @property
    def key(self) -> str:
        """The key under which the confirmation is saved."""
        return digest([self.what, str(self.path), self.sha256])

    @property
    def confirmed(self) -> bool:
        """Whether it was confirmed on this host, with this content."""
        return recall(KIND, self.key) is not None

    def confirm(self) -> None:
        """Save that the user has confirmed it. Raises WriteError."""
        note = {"what": self.what, "path": str(self.path), "sha256": self.sha256}
        remember(KIND, self.key, {**note, "confirmed_at": datetime.now(UTC).isoformat(timespec="seconds")})

    def __str__(self) -> str:
        return f"{self.what} {self.path}" + (f" (SHA-256 {self.sha256[:12]}...)" if self.sha256 else "")


def named_by(device: Device) -> list[Named]:
    """The files of this host that a device file names, except the running Python and the user's own SSH configuration.

    A missing file is not included: nothing would run. The agent's folder of this machine itself is included unless it
    is the one in the user's home, since agents and virtual environments are run from it.
    """
    named = [one for what, path in device.transport.host_files().items() for one in _named(what, path)]
    if not device.transport.is_this_host:
        return named
    if device.python not in (None, sys.executable):
        named += _named("the interpreter", shutil.which(device.python or "") or device.python or "")
    folder = Path(device.folder)
    return named if folder == Path.home() / AGENT_FOLDER else [*named, Named("the agent's folder", folder, "")]


def trust(device: Device) -> list[Named]:
    """Confirm the files that a device file names on this host, and return them. Raises WriteError."""
    named = named_by(device)
    for one in named:
        if not one.confirmed:
            one.confirm()
    return named


def check_trusted(device: Device) -> None:
    """Ask for unconfirmed files. Raises UsageError, which names them, if nobody can answer or the answer is no."""
    missing = [one for one in named_by(device) if not one.confirmed]
    if not missing:
        return
    names = " and ".join(map(str, missing))
    if not ask(f"The device file of {device.name} names {names}. Use it on this machine?"):
        raise UsageError(
            f"{device.name}: its device file names {names}, which was not confirmed on this host; nothing was run. "
            f"If you know it, confirm it with: latkit device trust {device.name}"
        )
    for one in missing:
        one.confirm()


def _named(what: str, path: str | Path) -> list[Named]:
    place = _absolute(path)
    if not place.is_file():
        return []
    try:
        return [Named(what, place, sha256_of(place))]
    except OSError as error:
        raise UsageError(f"expected {what} {place} as a file that can be read, but found: {error.strerror}") from error


def _absolute(path: str | Path) -> Path:
    """The path without following links: a virtual environment's link is another interpreter than its destination."""
    return Path(os.path.abspath(path))  # noqa: PTH100
