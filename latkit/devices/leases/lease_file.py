"""The file of a lease, which any user of the host may write: locked, and read within bounds.

A file of another kind (a FIFO, a link, a folder) is refused. A record always takes RECORD_BYTES and overwrites the
previous one: on a full disk a renewal needs no more room, and never leaves an empty file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from latkit.devices.leases.holder import Holder
from latkit.errors import DeviceError

LOCK_S = 5.0
"""The lock of the file is held for microseconds; a holder that keeps it this long was stopped in the middle."""
RECORD_BYTES = 4096
"""A block of the usual file systems, and more than the longest record; the rest is filled with spaces."""
OPEN_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Does not follow a link, and does not wait for a FIFO."""
REMEDY = "remove it, or name another folder for the leases in LATKIT_LEASES"


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """The open and locked file. Raises DeviceError."""
    handle = _open(path)
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
    """Open the file, or create it for all users. Raises DeviceError, also if the path is not a regular file.

    An existing file is opened without O_CREAT, which a sticky folder restricts.
    """
    try:
        _check_folder(path.parent)
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(PermissionError):  # another user created it at this moment
                path.parent.chmod(stat.S_ISVTX | 0o777)
        handle = _open_or_make(path)
    except OSError as error:
        raise DeviceError(f"expected to open the lease {path}, but found {_kind(path, error)}; {REMEDY}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DeviceError(f"expected the lease {path} as an ordinary file, but found {_kind(path)}; {REMEDY}")
    return handle


def _check_folder(folder: Path) -> None:
    """Raise DeviceError for a link that another user has put in place of the folder, where all may write."""
    with suppress(FileNotFoundError):
        found = folder.lstat()
        shared = bool(folder.parent.stat().st_mode & stat.S_ISVTX)
        if stat.S_ISLNK(found.st_mode) and shared and found.st_uid not in (0, os.getuid()):
            raise DeviceError(f"expected {folder} as a folder of leases, but found another user's link; {REMEDY}")


def _open_or_make(path: Path) -> int:
    for _ in range(100):  # others may create and remove it meanwhile, but not for ever
        with suppress(FileNotFoundError):
            return os.open(path, OPEN_FLAGS)
        with suppress(FileExistsError):
            handle = os.open(path, OPEN_FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(handle, 0o666)
            return handle
    raise FileNotFoundError(errno.ENOENT, "a file that comes and goes")


def _kind(path: Path, error: OSError | None = None) -> str:
    """The kind of file at the path; the system's message if that is a regular file, or nothing."""
    kinds = {stat.S_IFIFO: "a FIFO", stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}
    description = (error and error.strerror) or "something else"
    with suppress(OSError):
        return kinds.get(stat.S_IFMT(path.lstat().st_mode), description)
    return description


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read(handle: int) -> Holder | None:
    """The record, or None if there is none, or one that no latkit writes."""
    try:
        return Holder.model_validate_json(os.pread(handle, RECORD_BYTES, 0))
    except ValidationError:
        return None


def clear(handle: int) -> None:
    """Erase the record."""
    os.ftruncate(handle, 0)


def write(handle: int, holder: Holder) -> None:
    """Overwrite the record; the previous one stays if it cannot be written. Raises DeviceError."""
    content = holder.model_dump_json(indent=1).encode().ljust(RECORD_BYTES - 1) + b"\n"
    try:
        written = os.pwrite(handle, content, 0)
        os.ftruncate(handle, RECORD_BYTES)
    except OSError as error:
        raise DeviceError(f"could not write a lease: {error.strerror}; LATKIT_LEASES names their folder") from error
    if written != RECORD_BYTES:
        raise DeviceError("could not write a lease: its disk is full; LATKIT_LEASES names their folder")
