"""The lease: who uses a device, so that no two measure on it at once.

One file per device, for all users and workspaces of this host. Every look at it and every change of it happens under
an exclusive flock of that same file, which is never deleted: so of two takers one sees what the other wrote, and the
kernel opens the lock when its holder dies. The lock is held for an instant only; what makes the lease is the holder's
record in the file. It ends when the holder releases it, its process dies, or it is not renewed for its time to live: a
process that is stopped holds no device for ever. Whoever is overtaken so learns it from `renew`, before it writes
anything.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from latkit.devices.device import Device
from latkit.devices.holder import Holder, host_boot_id, ourselves
from latkit.errors import DeviceBusy, DeviceError
from latkit.ops import digest

TTL_S = 60.0
"""A lease that was not renewed for so long may be taken over."""
RENEWALS_PER_TTL = 4
LOCK_S = 5.0
"""The lock of the file is held for microseconds; a holder that keeps it so long was stopped in the middle."""
LOOK_AGAIN_S = 0.5
MOST_BYTES = 10_000

Tell = Callable[[str], None]
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
        """Say that we still use the device. Raises DeviceBusy when somebody has taken it over meanwhile."""
        for path, holder in tuple(self._held.items()):
            with _locked(path) as handle:
                found = _read(handle)
                if found is None or found.token != holder.token:
                    raise DeviceBusy(
                        f"the lease was lost while this process stood still: the device is used by {found or 'nobody'}"
                    )
                _write(handle, found.model_copy(update={"renewed_s": time.monotonic()}))

    def hold_machine(self, boot_id: str) -> None:
        """Hold the machine that the device turns out to be, by whatever way others reach it. Raises DeviceBusy.

        Before a device was asked, its lease goes by what its file tells, which is out of date once it was booted.
        """
        path = next(iter(self._held)).with_name(f"{_machine_key(boot_id)}.json")
        if boot_id and path not in self._held:
            self._held[path] = self._take(path)

    def release(self) -> None:
        """Give the device free, unless it was taken over."""
        self._released.set()
        self._thread.join()
        for path, holder in self._held.items():
            with _locked(path) as handle:
                found = _read(handle)
                if found is not None and found.token == holder.token:
                    os.ftruncate(handle, 0)

    def _keep(self) -> None:
        with suppress(DeviceError, OSError):  # whoever measures learns it from its own renewal
            while not self._released.wait(self._ttl_s / RENEWALS_PER_TTL):
                self.renew()


@contextmanager
def leased(
    device: Device,
    purpose: str,
    wait_s: float = 0.0,
    tell: Tell = lambda _text: None,
    folder: Path | None = None,
    ttl_s: float = TTL_S,
) -> Iterator[Lease]:
    """Hold a device. Raises DeviceBusy naming who holds it, once `wait_s` seconds have passed."""
    lease = Lease(_path(device, folder), lambda path: _take(path, device.name, purpose, wait_s, tell, ttl_s), ttl_s)
    try:
        yield lease
    finally:
        lease.release()


def holder_of(device: Device, folder: Path | None = None) -> Holder | None:
    """Who holds the device now, if anybody does."""
    path = _path(device, folder)
    if not path.exists():
        return None
    with _locked(path) as handle:
        found = _read(handle)
    return found if found is not None and found.live else None


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


def _take(path: Path, name: str, purpose: str, wait_s: float, tell: Tell, ttl_s: float) -> Holder:
    deadline, told = time.monotonic() + wait_s, ""
    while True:
        with _locked(path) as handle:
            found = _read(handle)
            if found is None or not found.live:
                holder = ourselves(purpose, ttl_s)
                _write(handle, holder)
                return holder
        if time.monotonic() >= deadline:
            raise DeviceBusy(f"{name} is used by {found}; wait for it with: --wait SECONDS")
        if told != found.token:
            told = found.token
            tell(f"waiting for {name}, which is used by {found}")
        time.sleep(min(LOOK_AGAIN_S, max(deadline - time.monotonic(), 0)))


def _path(device: Device, folder: Path | None) -> Path:
    return (folder or default_folder()) / f"{lease_key(device)}.json"


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The open file, while nobody else looks at it or changes it."""
    try:
        handle = _open(path)
    except OSError as error:
        raise DeviceError(f"expected to open the lease {path}, but found: {error.strerror}") from error
    try:
        deadline = time.monotonic() + LOCK_S
        while not _try_lock(handle):
            if time.monotonic() > deadline:
                raise DeviceError(f"the lease {path} stays locked by another process; see: fuser {path}")
            time.sleep(0.005)
        yield handle
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    """Open the file, or make it for all users. One that is there is opened without O_CREAT: a sticky folder asks it."""
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(PermissionError):  # another user made it in this moment
            path.parent.chmod(stat.S_ISVTX | 0o777)
    while True:
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        with suppress(FileExistsError):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(handle, 0o666)
            return handle


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(handle: int) -> Holder | None:
    """The record, or None where there is none, or half of one that a dying process left."""
    try:
        return Holder.model_validate_json(os.pread(handle, MOST_BYTES, 0))
    except ValidationError:
        return None


def _write(handle: int, holder: Holder) -> None:
    content = holder.model_dump_json(indent=1).encode() + b"\n"
    try:
        os.ftruncate(handle, 0)
        written = os.pwrite(handle, content, 0)
    except OSError as error:
        raise DeviceError(f"could not write a lease: {error.strerror}; LATKIT_LEASES names their folder") from error
    if written != len(content):
        raise DeviceError("could not write a lease: its disk is full; LATKIT_LEASES names their folder")
