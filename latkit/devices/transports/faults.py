"""Converts any exception that a library raises on received data to one of latkit's errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from latkit._io import host_error, one_line
from latkit.errors import DeviceError, LatkitError


@contextmanager
def faults_as(make: Callable[[str], DeviceError]) -> Iterator[None]:
    """Raise `make(why)` for any exception of a library; latkit's own errors pass.

    A hostile server or phone can make paramiko, adb-shell and struct raise errors of any class, so that a list of their
    names would never be complete. `why` is on one line. If this machine itself lacks something, such as file
    descriptors, the error is reported as that.
    """
    try:
        yield
    except LatkitError:
        raise
    except Exception as error:
        ours = host_error(error) if isinstance(error, OSError) else None
        raise ours or make(one_line(str(error)) or type(error).__name__) from error
