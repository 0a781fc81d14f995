"""The keys for authentication with phones: the user's own adb key, otherwise one that latkit creates and saves."""

from __future__ import annotations

import os
import shlex
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from adb_shell.auth.keygen import keygen, write_public_keyfile
from adb_shell.auth.sign_cryptography import CryptographySigner

from latkit._io import atomic_move, atomic_write, reading
from latkit.errors import BadFile, DeviceError, WriteError

OF_OTHERS = 0o077
"""Permissions of others that make a private key invalid, as in ssh."""


def signers(environment: Mapping[str, str] = os.environ) -> list[CryptographySigner]:
    """The user's key if there is one, and latkit's; created now if there is neither. Raises BadFile, DeviceError."""
    theirs, ours = Path.home() / ".android" / "adbkey", _folder(environment) / "adbkey"
    if not theirs.is_file() and not ours.is_file():
        _make(ours)
    return [_signer(path) for path in (theirs, ours) if path.is_file()]


def _folder(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "latkit"


def _make(path: Path) -> None:
    """A new key that nobody else may read, not even while it is written."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic_move(path, mode=0o600) as part:
            keygen(str(part))
            with atomic_write(f"{path}.pub") as public:
                Path(f"{part}.pub").replace(public)
    except (OSError, WriteError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DeviceError(f"could not make a key for phones at {path}: {reason}") from error


def _signer(path: Path) -> CryptographySigner:
    """The key of a file; the public half is derived if it is missing."""
    with reading(path, "a private RSA key as adb keeps it"):
        mode = path.stat().st_mode
        if mode & OF_OTHERS:
            raise BadFile(
                path,
                "a private key that only its owner may read",
                f"mode {stat.S_IMODE(mode):04o}; close it with: chmod 600 {shlex.quote(str(path))}",
            )
        public = Path(f"{path}.pub")
        if public.is_file():
            return CryptographySigner(str(path))
        with tempfile.TemporaryDirectory(prefix="latkit-key-") as folder:
            copy = Path(folder) / path.name
            copy.symlink_to(path.absolute())
            write_public_keyfile(str(copy), f"{copy}.pub")
            return CryptographySigner(str(copy))
