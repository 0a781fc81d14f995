"""Reads files that others may have written, within bounds; invalid ones are refused with a one-line error."""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from latkit._io.formats import naming_release, other_format
from latkit._io.host_errors import host_error
from latkit._io.text import one_line
from latkit.errors import BadFile, LatkitError, UsageError

MAX_FILE_BYTES = 256 * 2**20
"""No record of latkit's comes near this size."""
MAX_SEED = 2**63 - 1
"""Every library takes it, and a record with it can be read again."""
MAX_ERROR_CHARS = 600


@contextmanager
def reading(path: object, expected: str, release: str = "") -> Iterator[None]:
    """Turn any exception inside into BadFile: `path` was expected to be `expected`, such as "a table in JSON".

    A file can make its parser raise anything, a panic of a library in Rust included. A UsageError is about the content
    of the file, so it becomes BadFile as well. Other errors of latkit pass through, and so do errors of this machine:
    disk full, too many open files. `release`: the version of latkit that the file says wrote it; errors name it.
    """

    def bad_file(found: str) -> BadFile:
        return BadFile(path, expected, naming_release(found, release))

    try:
        yield
    except UsageError as error:
        if isinstance(error, BadFile):
            if not release or (named := naming_release(error.found, release)) == error.found:
                raise
            raise BadFile(error.path, error.expected, named).with_detail(error.detail) from error
        found = str(error)
        found = f"other content: {found}" if found.startswith("expected ") else found
        raise bad_file(one_line(found, MAX_ERROR_CHARS)).with_detail(error.detail) from error
    except LatkitError:
        raise
    except Exception as error:
        raise host_error(error) or bad_file(describe_error(error)) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of pyo3; it is not an Exception, so that programs end
            raise
        raise bad_file(describe_error(error)) from error


@contextmanager
def checking(subject: str) -> Iterator[None]:
    """Turn the ValidationError of a record that is made inside into UsageError: `subject` names what a person gave."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as error:
        raise UsageError(f"{subject}: {describe_error(error, with_input=True)}") from error


def describe_error(error: BaseException, with_input: bool = False) -> str:
    """An error of a parser in one line. `with_input`: also the value that a record's field has instead."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return one_line(_describe_field(error, with_input))
    if isinstance(error, OSError) and error.strerror:
        return "no such file" if error.errno == errno.ENOENT else error.strerror
    if isinstance(error, RecursionError):
        return "values nested too deep"
    if isinstance(error, MemoryError):
        return "more than fits into memory"
    if isinstance(error, UnicodeError):
        return "text that is not UTF-8"
    if isinstance(error, struct.error):
        return "a cut or damaged file, which refers to bytes that it lacks"
    if isinstance(error, KeyError) and error.args:
        return one_line(f"no {error.args[0]}")
    return one_line(str(error)) or type(error).__name__


def _describe_field(error: Any, with_input: bool) -> str:
    """The first wrong field, with its path through records that validate other records, and what is wrong with it."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "literal_error" and field == "format":
        return other_format(first["input"], re.findall(r"[\w-]*\d", first["ctx"]["expected"]))
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, type(error)):
        return f"{field}.{_describe_field(cause, with_input)}"
    message = str(cause) if isinstance(cause, ValueError) else first["msg"]
    message += f", but found {one_line(repr(first['input']), 80)}" if with_input else ""
    return f"{field}: {message}" if field else message


def read_bytes(path: str | os.PathLike[str], expected: str, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """The content of a regular file of at most `max_bytes`. Raises BadFile, also for a FIFO, a device and a folder."""
    with reading(path, expected):
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a FIFO would block
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise BadFile(path, expected, "a FIFO" if stat.S_ISFIFO(found.st_mode) else "a device")
            if found.st_size > max_bytes:
                raise BadFile(path, expected, f"{found.st_size} bytes, more than {max_bytes}")
            content = file.read(min(found.st_size + 1, max_bytes))  # a larger buffer takes longer to allocate
            if len(content) > found.st_size:  # it grew, or has no size, as files of /proc
                content += file.read(max_bytes - len(content))
            return content


def read_text(path: str | os.PathLike[str], expected: str, max_bytes: int = MAX_FILE_BYTES) -> str:
    """The content of a regular file in UTF-8. Raises BadFile."""
    content = read_bytes(path, expected, max_bytes)
    with reading(path, expected):
        return content.decode("utf-8")
