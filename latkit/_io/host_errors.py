"""Errors of this machine: no room, no permission, no file handles left. They are no fault of the file at hand."""

from __future__ import annotations

import errno
import os
import re

from latkit.errors import DiskFull, HostLimit, LatkitError, WriteError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NO_HANDLES = (errno.EMFILE, errno.ENFILE)
_READ_ONLY = (errno.EROFS,)


def host_error(error: BaseException, path: object = None) -> LatkitError | None:
    """What an operating-system error says about this machine, as an error of ours; None where it says nothing of it.

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
    """The operating system's number of an error; 0 where it has none. Libraries in Rust tell it in their text."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = re.search(r"\(os error (\d{1,4})\)", str(error))
    return int(found[1]) if found else 0
