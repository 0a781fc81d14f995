"""Errors of this machine: disk full, no permission, no file handles left. They are not faults of the
file being read.
"""

from __future__ import annotations

import errno
import os
import re

from latkit.errors import DiskFull, HostLimit, LatkitError, WriteError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NO_HANDLES = (errno.EMFILE, errno.ENFILE)
_READ_ONLY = (errno.EROFS,)


def host_error(error: BaseException, path: object = None) -> LatkitError | None:
    """An operating-system error about this machine as one of latkit's errors; None for any other error.

    `path` is the file that was being written, if there is one: then every operating-system error counts.
    """
    number = error_number(error)
    named = path if path is not None else getattr(error, "filename", None)
    where = "" if named is None else f" for {named}"
    if number in _NO_ROOM:
        return DiskFull(f"expected room{where}, but the disk is full; what was written before is kept")
    if number in _NO_HANDLES:
        return HostLimit(
            f"expected to open another file{where}, but found {os.strerror(number)}: raise the limit with "
            "`ulimit -n 4096`, or use fewer devices at once"
        )
    if number in _READ_ONLY or (number and path is not None):
        return WriteError(f"could not write {named or 'a file'}: {os.strerror(number)}")
    return None


def error_number(error: BaseException) -> int:
    """The operating system's number of an error; 0 if it has none. Libraries in Rust put it into their text."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = re.search(r"\(os error (\d{1,4})\)", str(error))
    return int(found[1]) if found else 0
