"""Trust: what a device file makes this host run, or follow, is confirmed once per host by whoever uses it.

A workspace may come from anybody. Its device files name interpreters of this machine, and SSH configurations, which
decide to whom this user's keys are shown. `device add` confirms what it was told; everything else asks. What is
confirmed is the content of the file as well as its path: another content is confirmed anew.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from latkit.consent import ask
from latkit.devices.agent_folder import AGENT_FOLDER
from latkit.devices.device import Device
from latkit.devices.host_state import recall, remember
from latkit.devices.transports import Local, Ssh
from latkit.devices.transports.base import sha256_of
from latkit.errors import UsageError
from latkit.ops import digest

KIND = "trusted"


@dataclass(frozen=True, slots=True)
class Named:
    """A file of this host that a device file names, to be run or followed."""

    what: str
    """In words, such as `the interpreter`."""
    path: Path
    sha256: str
    """Of a file; empty for a folder, which is confirmed by its path."""

    @property
    def key(self) -> str:
        """Under which it is kept that it was confirmed."""
        return digest([self.what, str(self.path), self.sha256])

    @property
    def confirmed(self) -> bool:
        """Whether it was confirmed on this host, with this content."""
        return recall(KIND, self.key) is not None

    def confirm(self) -> None:
        """Keep that the user has confirmed it. Raises WriteError."""
        note = {"what": self.what, "path": str(self.path), "sha256": self.sha256}
        remember(KIND, self.key, {**note, "confirmed_at": datetime.now(UTC).isoformat(timespec="seconds")})

    def __str__(self) -> str:
        return f"{self.what} {self.path}" + (f" (SHA-256 {self.sha256[:12]}...)" if self.sha256 else "")


def named_by(device: Device) -> list[Named]:
    """The files of this host that a device file names, but for the Python that runs this and the user's own SSH
    configuration. A file that is not there is none: nothing would run. So is a folder for the agent of this machine
    itself, unless it is the one in the user's home: agents and environments are run from there.
    """
    if isinstance(device.transport, Local):
        named = []
        if device.python not in (None, sys.executable):
            named = _named("the interpreter", shutil.which(device.python or "") or device.python or "")
        folder = Path(device.folder)
        return named if folder == Path.home() / AGENT_FOLDER else [*named, Named("the agent's folder", folder, "")]
    if isinstance(device.transport, Ssh) and device.transport.config:
        config = Path(device.transport.config).expanduser()
        return [] if _absolute(config) == Path.home() / ".ssh" / "config" else _named("the SSH configuration", config)
    return []


def trust(device: Device) -> list[Named]:
    """Confirm what a device file names on this host; what that is. Raises WriteError."""
    named = named_by(device)
    for one in named:
        if not one.confirmed:
            one.confirm()
    return named


def check_trusted(device: Device) -> None:
    """Ask for what was not confirmed yet. Raises UsageError naming it, where nobody is there to agree, or did not."""
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
    """Without following links: that of a virtual environment names another interpreter than what it leads to."""
    return Path(os.path.abspath(path))  # noqa: PTH100
