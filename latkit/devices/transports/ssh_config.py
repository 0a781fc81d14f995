"""What the SSH configuration says of a host, as far as latkit needs it."""

from __future__ import annotations

import getpass
import glob
import re
from dataclasses import dataclass
from pathlib import Path

import paramiko

from latkit.devices.transports.way import Ssh
from latkit.errors import BadFile, UsageError

DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
GLOBAL_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
MOST_INCLUDES = 16
"""Files included by included files: so deep and no deeper, as in OpenSSH."""


@dataclass(frozen=True, slots=True)
class Host:
    """Where to connect, as whom, and with which files."""

    way: Ssh
    hostname: str
    port: int
    user: str
    keys: tuple[Path, ...]
    agent_keys: bool
    """Whether the keys of a running ssh-agent may be used."""
    known_hosts: tuple[Path, ...]
    """The files of known hosts; the first is where a new one belongs."""
    jumps: tuple[Ssh, ...]
    timeout_s: float

    @property
    def known_as(self) -> str:
        """The host's name in a file of known hosts."""
        return self.hostname if self.port == 22 else f"[{self.hostname}]:{self.port}"


def resolve(way: Ssh, timeout_s: float) -> Host:
    """What the device file says, completed by the configuration. Raises BadFile and UsageError."""
    options = _options(way)
    if options.get("proxycommand") and not options.get("proxyjump"):
        raise UsageError(f"{way}: ProxyCommand of the SSH configuration is not supported; use ProxyJump")
    keys = [Path(name).expanduser() for name in options.get("identityfile", DEFAULT_KEYS)]
    known = (
        f"{options.get('userknownhostsfile', KNOWN_HOSTS)} {options.get('globalknownhostsfile', GLOBAL_KNOWN_HOSTS)}"
    )
    return Host(
        way=way,
        hostname=options["hostname"],
        port=way.port or _number(way, options, "port", 22),
        user=way.user or options.get("user") or getpass.getuser(),
        keys=tuple(key for key in keys if key.is_file()),
        agent_keys=options.get("identitiesonly", "no").lower() != "yes",
        known_hosts=tuple(Path(name).expanduser() for name in known.split()),
        jumps=_jumps(way, options.get("proxyjump", "none")),
        timeout_s=_number(way, options, "connecttimeout", 0) or timeout_s,
    )


def _options(way: Ssh) -> paramiko.SSHConfigDict:
    path = Path(way.config or "~/.ssh/config").expanduser()
    if not path.is_file():
        if way.config:
            raise BadFile(path, "an SSH configuration", "no such file")
        return paramiko.SSHConfig().lookup(way.host)
    try:
        options = paramiko.SSHConfig.from_text("\n".join(_lines(path, path.parent))).lookup(way.host)
    except (OSError, ValueError, KeyError, RecursionError, ImportError, paramiko.SSHException) as error:
        raise BadFile(path, f"an SSH configuration for {way.host}", str(error)) from error
    return options


def _lines(path: Path, base: Path, depth: int = 0) -> list[str]:
    """The lines of a configuration, with those of the files it includes in their place: paramiko does not include."""
    if depth > MOST_INCLUDES:
        raise RecursionError(f"{path} includes itself")
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"\s*include(?:\s+|\s*=\s*)(.+?)\s*", line, re.IGNORECASE)
        if not match:
            lines.append(line)
            continue
        for pattern in match[1].split():
            for name in sorted(glob.glob(str(base / Path(pattern.strip('"')).expanduser()))):  # noqa: PTH207 - may be absolute
                lines.extend(_lines(Path(name), base, depth + 1))
    return lines


def _number(way: Ssh, options: paramiko.SSHConfigDict, name: str, default: int) -> int:
    value = options.get(name, str(default))
    if not value.isdigit():
        raise UsageError(f"{way}: expected {name} of the SSH configuration as a number, but found {value!r}")
    return int(value)


def _jumps(way: Ssh, text: str) -> tuple[Ssh, ...]:
    if text.lower() == "none":
        return ()
    names = [name.strip().removeprefix("ssh://") for name in text.split(",")]
    return tuple(Ssh.parse(name, way.config) for name in names)
