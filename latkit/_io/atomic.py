"""Files that appear complete or not at all, also with two writers at once and on a full disk."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from latkit._io.host_errors import host_error
from latkit.errors import LatkitError, WriteError

NEW_FILE_MODE = 0o666
"""Permissions of a new file, less the umask."""
MIN_ROOM = 2**16
"""Bytes that must be free for a file to count as writable."""
TEMPORARY = re.compile(r"\.(.*-[0-9a-f]{16}(\..*)?|write-[0-9a-z_]{8})")
"""Names of temporary files and folders beside those that are written."""
MAX_NAME_CHARS = 60
"""Maximum part of a file's name in the temporary one: a file name has at most 255 bytes."""


@contextmanager
def atomic_write(path: str | os.PathLike[str], replace: bool = True) -> Iterator[Path]:
    """A temporary file in the folder of `path`; at the end it atomically replaces the file at `path`.

    The temporary name is unguessable and the file is created with O_EXCL, so no link is followed and two writers never
    share one. Contents and folder are synced before and after the replacement. A replaced file keeps its permissions.
    If writing fails, the old file stays and the temporary one is removed. Raises DiskFull and WriteError;
    FileExistsError if the file exists and may not be replaced.
    """
    place = Path(path)
    try:
        temporary = _create(place)
    except OSError as error:
        raise host_error(error, place) or error from error
    try:
        yield temporary
        _sync(temporary, os.O_RDWR)
        if replace:
            temporary.replace(place)
        else:
            place.hardlink_to(temporary)
            temporary.unlink()
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        ours = None if isinstance(error, LatkitError | FileExistsError) else host_error(error, place)
        if ours is None:
            raise
        raise ours from error
    with suppress(OSError):  # some file systems cannot sync a folder
        _sync(place.parent, os.O_RDONLY | os.O_DIRECTORY)


@contextmanager
def atomic_move(path: str | os.PathLike[str], name: str = "", mode: int | None = None) -> Iterator[Path]:
    """A path in a temporary folder beside `path`; at the end the file there atomically replaces the one at `path`.

    For libraries that replace the file they write, or write others beside it. The folder is the user's alone, and is
    removed. `name`: of the file in it; that of `path` by default. `mode`: permissions of the file; by default those
    that it was written with. Raises as `atomic_write` does.
    """
    place = Path(path)
    try:
        folder = tempfile.TemporaryDirectory(prefix=".write-", dir=place.parent)
    except OSError as error:
        raise host_error(error, place) or error from error
    with folder as beside, atomic_write(place) as temporary:
        made = Path(beside, name or place.name)
        yield made
        if mode is not None:
            made.chmod(mode)
        made.replace(temporary)


def remove_temporary(folder: Path) -> None:
    """Remove the temporary files and folders that a killed process left in a folder to which no other writes."""
    for left in folder.glob(".*"):
        if not TEMPORARY.fullmatch(left.name):
            continue
        with suppress(OSError):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text in UTF-8, atomically. Raises DiskFull and WriteError."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write bytes, atomically. Raises DiskFull and WriteError."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def make_folder(path: str | os.PathLike[str]) -> None:
    """Create a folder and its parents, unless they exist. Raises DiskFull and WriteError."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise host_error(error, path) or error from error


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise WriteError or DiskFull if no file can be written at `path`: to be called before long work for it.

    A small file is written in the same folder and removed; an existing file is not touched.
    """
    place = Path(path)
    if place.is_dir():
        raise WriteError(f"could not write {path}: there is a folder of that name")
    try:
        temporary = _create(place)
        try:
            temporary.write_bytes(bytes(MIN_ROOM))
        finally:
            temporary.unlink()
    except OSError as error:
        raise host_error(error, path) or error from error


def _create(place: Path) -> Path:
    """An empty temporary file in the folder of `place`, with its final permissions and the same suffix."""
    unique = os.urandom(8).hex()
    temporary = place.with_name(f".{place.stem[:MAX_NAME_CHARS]}-{unique}{place.suffix[-MAX_NAME_CHARS:]}")
    mode = _mode(place)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, NEW_FILE_MODE)
    try:
        if mode is not None:
            with suppress(PermissionError):
                os.fchmod(handle, mode)
    finally:
        os.close(handle)
    return temporary


def _mode(place: Path) -> int | None:
    """The permissions of the existing file; None if there is none."""
    try:
        found = place.lstat()
    except FileNotFoundError:
        return None
    return stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) else None


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
