"""The lease: who uses a device, so that no two measure on it at once.

One file per device, for all users and workspaces of this host. Every look at it and every change of it happens under
an exclusive flock of that same file, which is never deleted: so of two takers one sees what the other wrote, and the
kernel opens the lock when its holder dies. The lock is held for an instant only; what makes the lease is the holder's
record in the file. It ends when the holder releases it, its process dies, or it is not renewed for its time to live: a
process that is stopped holds no device for ever. Whoever is overtaken so learns it from `renew`, before it writes
anything.

Any user of the host may write into these files: see `lease_file` for what is read of them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from latkit.devices.device import Device
from latkit.devices.holder import Holder, host_boot_id, ourselves
from latkit.devices.lease_file import clear, locked, read, write
from latkit.errors import DeviceBusy, DeviceError, LatkitError
from latkit.ops import digest

TTL_S = 60.0
"""A lease that was not renewed for so long may be taken over."""
RENEWALS_PER_TTL = 4
LOOK_AGAIN_S = 0.5
OnMessage = Callable[[str], None]
"""Receives a remark for people."""


def default_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that LATKIT_LEASES names, or one that all users of this host share and a reboot empties."""
    return Path(environment.get("LATKIT_LEASES") or "/tmp/latkit-leases")  # noqa: S108 - made sticky, files hold no secret


Take = Callable[[Path], Holder]
"""Writes us into a file as soon as nobody else holds it. Raises DeviceBusy."""


class Lease:
    """A device that is ours. Renewed by a thread until it is released; made by `leased`."""

    def __init__(self, path: Path, take: Take, ttl_s: float) -> None:
        self._take = take
        self._ttl_s = ttl_s
        self._held = {path: take(path)}
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def renew(self) -> None:
        """Say that we still use the device. Raises DeviceBusy when somebody has taken it over meanwhile.

        A record that cannot be written is no fault as long as the one before it still binds.
        """
        for path, holder in tuple(self._held.items()):
            with locked(path) as handle:
                found = read(handle)
                if found is None or found.token != holder.token:
                    raise DeviceBusy(
                        f"the lease was lost while this process stood still: the device is used by {found or 'nobody'}"
                    )
                try:
                    write(handle, holder.model_copy(update={"renewed_s": time.monotonic()}))
                except DeviceError:
                    if not found.live:
                        raise

    def hold_machine(self, boot_id: str) -> None:
        """Hold the machine that the device turns out to be, by whatever way others reach it. Raises DeviceBusy.

        Before a device was asked, its lease goes by what its file tells, which is out of date once it was booted.
        """
        path = next(iter(self._held)).with_name(f"{_machine_key(boot_id)}.json")
        if boot_id and path not in self._held:
            self._held[path] = self._take(path)

    def release(self) -> None:
        """Give the device free, unless it was taken over. What cannot be written ends with its time to live."""
        self._released.set()
        self._thread.join()
        for path, holder in self._held.items():
            with suppress(DeviceError, OSError), locked(path) as handle:
                found = read(handle)
                if found is not None and found.token == holder.token:
                    clear(handle)

    def _keep(self) -> None:
        """Renew, whatever befell the renewal before. Whoever measures learns from its own that the lease was lost."""
        while not self._released.wait(self._ttl_s / RENEWALS_PER_TTL):
            with suppress(LatkitError, OSError, ValueError):
                self.renew()


@contextmanager
def leased(
    device: Device,
    purpose: str,
    wait_s: float = 0.0,
    on_message: OnMessage = lambda _text: None,
    folder: Path | None = None,
    ttl_s: float = TTL_S,
) -> Iterator[Lease]:
    """Hold a device. Raises DeviceBusy naming who holds it, once `wait_s` seconds have passed."""
    lease = Lease(
        _path(device, folder), lambda path: _take(path, device.name, purpose, wait_s, on_message, ttl_s), ttl_s
    )
    try:
        yield lease
    finally:
        lease.release()


def holder_of(device: Device, folder: Path | None = None) -> Holder | None:
    """Who holds the device now, if anybody does."""
    path = _path(device, folder)
    if not os.path.lexists(path):
        return None
    with locked(path) as handle:
        found = read(handle)
    return found if found is not None and found.live else None


def describe_holder(device: Device) -> str:
    """Who holds the device, in words; empty where nobody does. A lease that cannot be read is no reason to fail."""
    try:
        return str(holder_of(device) or "")
    except DeviceError as error:
        return f"unknown: {error}"


def lease_key(device: Device) -> str:
    """What tells a device from others, as far as its file knows: the same under any name, in any workspace.

    It is the machine as its boot id names it, by whatever way it is reached; without one, its hardware and the way.
    """
    known = known_boot_id(device)
    if known:
        return _machine_key(known)
    return digest([device.key, device.transport.place])


def known_boot_id(device: Device) -> str:
    """The boot id of the machine as far as it is known without asking it: out of date once a board was booted."""
    return host_boot_id() if device.transport.kind == "local" else device.facts.boot_id or ""


def is_this_host(device: Device) -> bool:
    """Whether the device is this very machine, by whatever way it is reached, as far as its file knows."""
    return device.transport.kind == "local" or known_boot_id(device) == host_boot_id() != ""


def _machine_key(boot_id: str) -> str:
    return digest(["machine", boot_id])


def _take(path: Path, name: str, purpose: str, wait_s: float, on_message: OnMessage, ttl_s: float) -> Holder:
    deadline, told = time.monotonic() + wait_s, ""
    while True:
        with locked(path) as handle:
            found = read(handle)
            if found is None or not found.live:
                holder = ourselves(purpose, ttl_s)
                write(handle, holder)
                return holder
        if time.monotonic() >= deadline:
            raise DeviceBusy(f"{name} is used by {found}; wait for it with: --wait SECONDS")
        if told != found.token:
            told = found.token
            on_message(f"waiting for {name}, which is used by {found}")
        time.sleep(min(LOOK_AGAIN_S, max(deadline - time.monotonic(), 0)))


def _path(device: Device, folder: Path | None) -> Path:
    return (folder or default_folder()) / f"{lease_key(device)}.json"
