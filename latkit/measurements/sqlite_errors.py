"""Converts SQLite's error codes to latkit's errors: about the file, the disk, this machine, or another process."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import sqlalchemy as sa

from latkit._io import host_error, one_line
from latkit.errors import BadFile, DiskFull, HostLimit, LatkitError, StoreBusy, WriteError

PRIMARY = 0xFF
"""The part of an extended code that names the kind of error."""
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
"""Causes may be a full disk, no file handles or no permission; SQLite does not report which."""
FREE_BYTES = 2**16
"""If less room than this is free, a failed write is attributed to a full disk."""


def is_busy(error: sa.exc.DBAPIError) -> bool:
    """Whether another process holds the file."""
    return _code(error) in BUSY


def store_error(error: sa.exc.DBAPIError, path: Path) -> LatkitError:
    """The latkit error for an SQLite error about the measurements in the file at `path`."""
    code = _code(error)
    if code in BUSY:
        return StoreBusy(
            f"another process keeps {path} locked (a latkit that writes, or a program that looks into the file); "
            "end it, or try again later. What was measured before is kept"
        )
    if code in DISK:
        return _disk_error(code, path)
    return BadFile(path, "latkit's measurements in SQLite", one_line(str(error.orig)))


def _code(error: sa.exc.DBAPIError) -> int:
    return int(getattr(error.orig, "sqlite_errorcode", None) or 0) & PRIMARY


def _disk_error(code: int, path: Path) -> LatkitError:
    """Ask the operating system for the cause, since SQLite does not report it."""
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return DiskFull(
            f"no room for {path}: the disk is full; what was measured before is kept. Make room, and run "
            "the same command again to go on"
        )
    if path.is_dir():
        return BadFile(path, "latkit's measurements in SQLite", "a folder")
    if not path.parent.is_dir():
        return BadFile(path, "latkit's measurements in SQLite", "no such folder")
    try:
        # SQLite opens the file and its journal in the same folder
        handles = [os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)]
        try:
            handles += [os.open("/", os.O_RDONLY | os.O_CLOEXEC) for _ in range(3)]
        finally:
            for handle in handles:
                os.close(handle)
    except OSError as trouble:
        found = host_error(trouble, path)
        if isinstance(found, HostLimit):
            return found
        return WriteError(f"could not write {path}: {trouble.strerror}; what was measured before is kept")
    if not os.access(path.parent, os.W_OK):
        return WriteError(f"could not write {path}: its folder {path.parent} is read-only")
    return WriteError(
        f"could not read or write {path}: the disk, or the network that it is on, reports an error; what was measured "
        "before is kept"
    )


def _is_full(path: Path) -> bool:
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < FREE_BYTES
