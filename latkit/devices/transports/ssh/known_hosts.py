"""Known hosts: a server is trusted only if its key is in one of these files. No key is ever added automatically."""

from __future__ import annotations

import base64
import hmac
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import paramiko

from latkit._io import read_bytes
from latkit.devices.transports.ssh.config import Host
from latkit.errors import BadFile, HostKeyError

MAX_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class KnownKey:
    """An entry for the host in a file of known hosts."""

    file: Path
    line: int
    key_type: str
    base64: str
    revoked: bool


def known_keys(host: Host) -> list[KnownKey]:
    """The known keys of a host, in the files' order. Unreadable lines are skipped."""
    return [key for path in host.known_hosts for key in _keys_in(path, host.known_as)]


def key_types(known: list[KnownKey], offered: tuple[str, ...]) -> list[str]:
    """The algorithms to negotiate: first those of the known keys, so that the server shows a key that
    can be compared.
    """
    types = {key.key_type for key in known}
    if "ssh-rsa" in types:
        types |= {"rsa-sha2-256", "rsa-sha2-512"}
    return sorted(offered, key=lambda name: name not in types)


def verify(host: Host, key: paramiko.PKey, known: list[KnownKey]) -> None:
    """Raise HostKeyError unless the key is a known key of the host."""
    same = [line for line in known if line.base64 == key.get_base64()]
    revoked = [line for line in same if line.revoked]
    if revoked:
        raise HostKeyError(f"{host.known_as}: its key is revoked by {revoked[0].file}, line {revoked[0].line}")
    if same:
        return
    if not known:
        raise HostKeyError(_unknown(host, key))
    old = next((line for line in known if line.key_type == key.get_name()), known[0])
    remove = shlex.join(["ssh-keygen", "-f", str(old.file), "-R", host.known_as])
    raise HostKeyError(
        f"{host.known_as}: its host key has changed: expected the one in {old.file}, line {old.line}, but found "
        f"{key.get_name()} {key.fingerprint}; if the device was set up anew, delete that line ({remove}) and add the "
        "new key; otherwise somebody may be in between"
    )


def _unknown(host: Host, key: paramiko.PKey) -> str:
    file = host.known_hosts[0]
    if host.jumps:
        add = shlex.join(["ssh", *(["-F", host.address.config] if host.address.config else []), str(host.address.host)])
    else:
        add = shlex.join(["ssh-keyscan", "-p", str(host.port), host.hostname]) + f" >> {shlex.quote(str(file))}"
    return (
        f"{host.known_as}: its host key is unknown: expected it in {file}, but found no line for it; the server shows "
        f"{key.get_name()} {key.fingerprint}; if that is the device's, add it with: {add}"
    )


def _keys_in(path: Path, name: str) -> Iterator[KnownKey]:
    try:
        content = read_bytes(path, "known hosts of SSH", MAX_FILE_BYTES)
    except BadFile:
        return
    lines = content.decode(errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or marker == "@cert-authority":
            continue
        if _names(fields[0], name):
            yield KnownKey(path, number, fields[1], fields[2], marker == "@revoked")


def _names(patterns: str, name: str) -> bool:
    """Whether the first field of a line matches that name: hashed, or as patterns of which a negated one excludes."""
    if patterns.startswith("|1|"):
        return _is_hash_of(name, patterns.split("|")[2:])
    found = [pattern for pattern in patterns.split(",") if _matches(name, pattern.removeprefix("!"))]
    return bool(found) and not any(pattern.startswith("!") for pattern in found)


def _is_hash_of(name: str, parts: list[str]) -> bool:
    """Whether a salt and a digest, both in base 64, match that name."""
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in parts)
    except ValueError:
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(errors="replace"), "sha1"), digest)


def _matches(name: str, pattern: str) -> bool:
    # brackets around an address with a port are literal, not a set of characters
    return fnmatchcase(name.lower(), pattern.lower().replace("[", "[[]"))
