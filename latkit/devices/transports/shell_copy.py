"""Copies files by commands that any device has (`cat`, `sha256sum`), for transports without a file protocol."""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path

from latkit._io import make_folder, one_line, write_bytes
from latkit.devices.transports.base import Transport
from latkit.errors import DeviceError, DeviceGone

COMMAND_S = 60.0
SLOWEST_BYTES_PER_S = 50_000
"""A copy that is slower than this on average is aborted."""
NO_SUCH_COMMAND = 127
MAX_PULL_BYTES = 2**30
"""Maximum size of a file, which is held in memory during the copy."""
MARGIN_BYTES = 2**16
PREPARE = 'mkdir -p -- "$1" && { [ ! -f "$2" ] || wc -c < "$2"; }'
"""Creates the folder, and prints how much of an earlier attempt exists."""
FINISH = """
cat >> "$1" && found=$(sha256sum < "$1") || exit
case $found in
  "$3"*) mv -f -- "$1" "$2";;
  *) echo "the copy differs; is the disk full?" >&2; exit 1;;
esac
"""
"""Writes the rest, verifies the whole and renames it: one command, since some devices take long for each."""


class CopyingByCommands(Transport):
    """A transport that copies by commands."""

    def push(self, local_path: Path, remote_path: str) -> None:
        """Copy a file to the device. What arrived before the connection was lost is not sent again by
        the next attempt.
        """
        try:
            content = local_path.read_bytes()
        except OSError as error:
            raise DeviceError(f"could not read {local_path}: {error}") from error
        sha256 = hashlib.sha256(content).hexdigest()
        part = f"{remote_path}.{sha256[:16]}.part"
        folder = remote_path.rpartition("/")[0] or "."
        prepared = self.run(["sh", "-c", PREPARE, "sh", folder, part], COMMAND_S)
        if prepared.exit_status:
            output = one_line(prepared.stderr.decode(errors="replace")) or f"exit status {prepared.exit_status}"
            raise DeviceError(
                f"making {folder} failed on the device: {output}; a folder that can be written to is named by "
                "--agent-folder"
            )
        try:
            begin = _sound(self, part, content, _size(prepared.stdout, part) if prepared.stdout.strip() else 0)
            finishing = ["sh", "-c", FINISH, "sh", part, remote_path, sha256]
            done = self.run(finishing, _copy_s(len(content)), content[begin:])
            if done.exit_status == NO_SUCH_COMMAND:
                _check_and_rename(self, part, remote_path, len(content), sha256)
            else:
                done.checked(f"writing {remote_path}")
        except DeviceError as error:
            if not isinstance(error, DeviceGone):
                with contextlib.suppress(DeviceError):
                    self.run(["rm", "-f", "--", part], COMMAND_S)
            raise

    def pull(self, remote_path: str, local_path: Path) -> None:
        """Copy a file from the device. Raises WriteError if it cannot be written on the host."""
        size = self.run(["wc", "-c", remote_path], COMMAND_S).checked(f"reading {remote_path}").stdout
        size_bytes = _size(size, remote_path)
        if size_bytes > MAX_PULL_BYTES:
            raise DeviceError(f"{remote_path}: expected at most {MAX_PULL_BYTES} bytes, but found {size_bytes}")
        sha256 = remote_sha256(self, remote_path, size_bytes)
        content = _read(self, remote_path, size_bytes)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise DeviceError(f"{local_path}: the copy differs from {remote_path} on the device; try again")
        make_folder(local_path.parent)
        write_bytes(local_path, content)


def remote_sha256(transport: Transport, path: str, size_bytes: int) -> str:
    """SHA-256 of a file there, in hex; without sha256sum (Android 6) the file is read back. Raises DeviceError."""
    found = transport.run(["sha256sum", path], _copy_s(size_bytes))
    if found.exit_status == NO_SUCH_COMMAND:
        return hashlib.sha256(_read(transport, path, size_bytes)).hexdigest()
    output = found.checked(f"checking {path}").stdout.decode(errors="replace").split()
    return output[0].lstrip("\\") if output else ""


def _sound(transport: Transport, part: str, content: bytes, count: int) -> int:
    """How many of the `count` bytes of an earlier attempt can be reused; other content is removed."""
    if not count:
        return 0
    beginning = hashlib.sha256(content[:count]).hexdigest()
    if count <= len(content) and remote_sha256(transport, part, count) == beginning:
        return count
    transport.run(["rm", "-f", "--", part], COMMAND_S).checked(f"removing {part}")
    return 0


def _check_and_rename(transport: Transport, part: str, remote_path: str, size_bytes: int, sha256: str) -> None:
    """Finish a push to a device that cannot verify by itself."""
    if remote_sha256(transport, part, size_bytes) != sha256:
        raise DeviceError(f"writing {remote_path} failed on the device: the copy differs; is its disk full?")
    transport.run(["mv", "-f", "--", part, remote_path], COMMAND_S).checked(f"renaming to {remote_path}")


def _read(transport: Transport, path: str, size_bytes: int) -> bytes:
    """The content of a file there, of at most that size; some room is left for what `cat` prints on stderr."""
    done = transport.run(["cat", path], _copy_s(size_bytes), max_bytes=size_bytes + MARGIN_BYTES)
    return done.checked(f"reading {path}").stdout


def _size(printed: bytes, path: str) -> int:
    """The size of a file in bytes from the output of `wc -c`. Raises DeviceError."""
    match = re.fullmatch(rb"\s*([0-9]{1,15})(\s.*)?", printed, re.DOTALL)
    if match is None:
        raise DeviceError(f"expected the size of {path} from wc -c on the device, but found {printed[:100]!r}")
    return int(match[1])


def _copy_s(size_bytes: int) -> float:
    return COMMAND_S + size_bytes / SLOWEST_BYTES_PER_S
