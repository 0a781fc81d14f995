"""The lease of a device, so that two processes never measure on it at once.

There is one file per device, for all users and workspaces of this host. Every read and every change happens under an
exclusive flock of that same file, which is never deleted. So of two processes that acquire it, one sees what the other
wrote, and the kernel releases the lock when its owner dies. The lock is held only briefly; the lease itself is the
holder's record in the file. It ends when the holder releases it, its process dies, or it is not renewed within its time
to live, so that a stopped process does not hold a device for ever. A holder that lost its lease learns it from `renew`,
before it writes anything.

Any user of the host may write into these files: see `latkit.devices.leases.lease_file` for what is accepted from them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from latkit.devices.device import Device
from latkit.devices.leases.holder import Holder, host_boot_id, ourselves
from latkit.devices.leases.lease_file import clear, locked, read, write
from latkit.errors import DeviceBusy, DeviceError, LatkitError
from latkit.ops import digest
from latkit.progress import OnMessage

TTL_S = 60.0
"""A lease that was not renewed for this long may be taken over."""
RENEWALS_PER_TTL = 4
POLL_S = 0.5


def default_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that LATKIT_LEASES names, or one that all users of this host share and a reboot empties."""
    return Path(environment.get("LATKIT_LEASES") or "/tmp/latkit-leases")  # noqa: S108 - made sticky, files hold no secret


Take = Callable[[Path], Holder]
"""Writes this process into a file as soon as nobody else holds it. Raises DeviceBusy."""


class Lease:
    """A device held by this process. Renewed by a thread until it is released; created by `leased`."""

    def __init__(self, path: Path, take: Take, ttl_s: float) -> None:
        self._take = take
        self._ttl_s = ttl_s
        self._held = {path: take(path)}
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def renew(self) -> None:
        """Renew the lease. Raises DeviceBusy if somebody else has taken it over.

        A record that cannot be written is not an error as long as the previous one is valid.
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
        """Also hold the connected machine itself, under any address by which others reach it. Raises DeviceBusy.

        Before a device is connected, its lease is based on its file, which is out of date after a boot.
        """
        path = next(iter(self._held)).with_name(f"{_machine_key(boot_id)}.json")
        if boot_id and path not in self._held:
            self._held[path] = self._take(path)

    def release(self) -> None:
        """Release the device, unless it was taken over. A record that cannot be cleared expires with
        its time to live.
        """
        self._released.set()
        self._thread.join()
        for path, holder in self._held.items():
            with suppress(DeviceError, OSError), locked(path) as handle:
                found = read(handle)
                if found is not None and found.token == holder.token:
                    clear(handle)

    def _keep(self) -> None:
        """Renew, whether or not the previous renewal failed. The measuring process learns of a lost lease from its own
        call.
        """
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
    """Hold a device. Raises DeviceBusy, which names the holder, once `wait_s` seconds have passed."""
    lease = Lease(
        _path(device, folder), lambda path: _take(path, device.name, purpose, wait_s, on_message, ttl_s), ttl_s
    )
    try:
        yield lease
    finally:
        lease.release()


def holder_of(device: Device, folder: Path | None = None) -> Holder | None:
    """The current holder of the device, if there is one."""
    path = _path(device, folder)
    if not os.path.lexists(path):
        return None
    with locked(path) as handle:
        found = read(handle)
    return found if found is not None and found.live else None


def describe_holder(device: Device) -> str:
    """The holder of the device, as text; empty if there is none. An unreadable lease is reported, not raised."""
    try:
        return str(holder_of(device) or "")
    except DeviceError as error:
        return f"unknown: {error}"


def lease_key(device: Device) -> str:
    """Identifies a device, as far as its file allows: the same under any name, in any workspace.

    It is the machine's boot id, whatever its address; without one, its hardware and its address.
    """
    known = known_boot_id(device)
    if known:
        return _machine_key(known)
    return digest([device.key, device.transport.place])


def known_boot_id(device: Device) -> str:
    """The machine's last known boot id, without a request: out of date once a board was booted."""
    return host_boot_id() if device.transport.is_this_host else device.facts.boot_id or ""


def is_this_host(device: Device) -> bool:
    """Whether the device is this machine, whatever its address, as far as its file shows."""
    return device.transport.is_this_host or known_boot_id(device) == host_boot_id() != ""


def _machine_key(boot_id: str) -> str:
    return digest(["machine", boot_id])


def _take(path: Path, name: str, purpose: str, wait_s: float, on_message: OnMessage, ttl_s: float) -> Holder:
    deadline, reported = time.monotonic() + wait_s, ""
    while True:
        with locked(path) as handle:
            found = read(handle)
            if found is None or not found.live:
                holder = ourselves(purpose, ttl_s)
                write(handle, holder)
                return holder
        if time.monotonic() >= deadline:
            raise DeviceBusy(f"{name} is used by {found}; wait for it with: --wait SECONDS")
        if reported != found.token:
            reported = found.token
            on_message(f"waiting for {name}, which is used by {found}")
        time.sleep(min(POLL_S, max(deadline - time.monotonic(), 0)))


def _path(device: Device, folder: Path | None) -> Path:
    return (folder or default_folder()) / f"{lease_key(device)}.json"
