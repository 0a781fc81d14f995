"""Arrays from compressed files, within bounds: declared sizes are checked before memory is allocated."""

from __future__ import annotations

import gzip
import math
import os
import stat
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

MAX_RATIO = 100
"""Maximum decompressed bytes per compressed byte. Photographs give 2, MNIST's digits 10, a deflate bomb 1000."""

SMALL_BYTES = 2**26
"""Up to this size an array is read at any ratio."""


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """A regular file opened for reading, decompressed if its name ends in .gz. Raises OSError, ValueError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a FIFO would block
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("something that is no regular file")
        if path.suffix != ".gz":
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield cast("IO[bytes]", unpacked)


def read_npz(path: Path, names: Sequence[str]) -> dict[str, NDArray[np.generic]]:
    """The arrays of these names that an .npz file has. Raises ValueError, and errors of zipfile and numpy.

    An array's header and the archive's directory must agree on its size before memory is allocated.
    """
    with open_bytes(path) as file, zipfile.ZipFile(file) as archive:
        members = {member.filename: member for member in archive.infolist()}
        present = [name for name in names if f"{name}.npy" in members]
        return {name: _read_member(archive, members[f"{name}.npy"], name) for name in present}


def npz_names(path: Path) -> list[str]:
    """The names of the arrays of an .npz file, sorted. Raises ValueError, and errors of zipfile."""
    with open_bytes(path) as file, zipfile.ZipFile(file) as archive:
        return sorted(name.removesuffix(".npy") for name in archive.namelist())


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> NDArray[np.generic]:
    with archive.open(member) as opened:
        shape, fortran, dtype = _header(opened, name)
        if dtype.hasobject:
            raise ValueError(f"{name}: Object arrays cannot be loaded")
        size = math.prod(shape) * dtype.itemsize
        if member.file_size != opened.tell() + size:
            raise ValueError(f"{name}: {dtype} of shape {shape} in a member of {member.file_size} bytes")
        if size > max(SMALL_BYTES, MAX_RATIO * member.compress_size):
            raise ValueError(
                f"{name}: {size} bytes out of {member.compress_size} compressed ones; if it really holds that, write "
                "it uncompressed with numpy.savez"
            )
        content = opened.read(size + 1)
    if len(content) != size:
        raise ValueError(f"{name}: {len(content)} bytes of data for {dtype} of shape {shape}")
    flat = np.frombuffer(content, dtype)
    return flat.reshape(shape[::-1]).transpose() if fortran else flat.reshape(shape)


def _header(opened: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, whether it is in Fortran order, and type."""
    version = npy_format.read_magic(opened)
    if version == (1, 0):
        return npy_format.read_array_header_1_0(opened)
    if version == (2, 0):
        return npy_format.read_array_header_2_0(opened)
    raise ValueError(f"{name}: version {version} of numpy's format, where 1.0 and 2.0 are known")
