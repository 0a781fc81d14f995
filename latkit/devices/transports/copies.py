"""Copies by commands that any device has (`cat`, `sha256sum`), for transports without a way of their own for files."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from pathlib import Path

from latkit.devices.transports.base import Transport, sha256_of
from latkit.errors import DeviceError, DeviceGone

COMMAND_S = 60.0
SLOWEST_BYTES_PER_S = 50_000
"""A copy that is slower than this on the whole is given up."""
NO_SUCH_COMMAND = 127


def push_by_commands(transport: Transport, local_path: Path, remote_path: str) -> None:
    """What `Transport.push` promises. What arrived before the connection was lost is not sent again by the next try."""
    try:
        content = local_path.read_bytes()
    except OSError as error:
        raise DeviceError(f"could not read {local_path}: {error}") from error
    sha256 = hashlib.sha256(content).hexdigest()
    part = f"{remote_path}.{sha256[:16]}.part"
    folder = remote_path.rpartition("/")[0] or "."
    transport.run(["mkdir", "-p", "--", folder], COMMAND_S).checked(f"making {folder}")
    try:
        begin = _already_there(transport, part, content)
        appending = ["sh", "-c", 'cat >> "$1"', "cat", part]
        transport.run(appending, _copy_s(len(content)), content[begin:]).checked(f"writing {remote_path}")
        if remote_sha256(transport, part, len(content)) != sha256:
            raise DeviceError(f"{remote_path}: the copy differs from {local_path}; is the device's disk full?")
        transport.run(["mv", "-f", "--", part, remote_path], COMMAND_S).checked(f"renaming to {remote_path}")
    except DeviceError as error:
        if not isinstance(error, DeviceGone):
            with contextlib.suppress(DeviceError):
                transport.run(["rm", "-f", "--", part], COMMAND_S)
        raise


def pull_by_commands(transport: Transport, remote_path: str, local_path: Path) -> None:
    """What `Transport.pull` promises."""
    size = transport.run(["wc", "-c", remote_path], COMMAND_S).checked(f"reading {remote_path}").stdout
    size_bytes = int(size.split()[0])
    sha256 = remote_sha256(transport, remote_path, size_bytes)
    content = transport.run(["cat", remote_path], _copy_s(size_bytes)).checked(f"reading {remote_path}").stdout
    try:
        local_path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=local_path.parent, prefix=".pull-", delete=False) as file:
            file.write(content)
        part = Path(file.name)
        try:
            if sha256_of(part) != sha256:
                raise DeviceError(f"{local_path}: the copy differs from {remote_path} on the device; try again")
            part.replace(local_path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise DeviceError(f"could not write {local_path}: {error}") from error


def remote_sha256(transport: Transport, path: str, size_bytes: int) -> str:
    """SHA-256 of a file there, in hex; where there is no sha256sum (Android 6) it is read back. Raises DeviceError."""
    found = transport.run(["sha256sum", path], _copy_s(size_bytes))
    if found.exit_status == NO_SUCH_COMMAND:
        content = transport.run(["cat", path], _copy_s(size_bytes)).checked(f"reading {path}").stdout
        return hashlib.sha256(content).hexdigest()
    words = found.checked(f"checking {path}").stdout.decode(errors="replace").split()
    return words[0].lstrip("\\") if words else ""


def _already_there(transport: Transport, part: str, content: bytes) -> int:
    """How many bytes of an earlier try can stay; what is no beginning of the content is removed."""
    size = transport.run(["wc", "-c", part], COMMAND_S)
    if size.exit_status:
        return 0
    count = int(size.stdout.split()[0])
    beginning = hashlib.sha256(content[:count]).hexdigest()
    if 0 < count <= len(content) and remote_sha256(transport, part, count) == beginning:
        return count
    transport.run(["rm", "-f", "--", part], COMMAND_S).checked(f"removing {part}")
    return 0


def _copy_s(size_bytes: int) -> float:
    return COMMAND_S + size_bytes / SLOWEST_BYTES_PER_S
