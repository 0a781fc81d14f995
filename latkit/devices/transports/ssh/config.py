"""Reads what latkit needs from a host's SSH configuration."""

from __future__ import annotations

import getpass
import glob
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import paramiko

from latkit._io import one_line, printable, read_text, reading
from latkit.devices.transports.ssh.address import Ssh
from latkit.errors import BadFile, UsageError

DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
GLOBAL_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
MAX_INCLUDES = 16
"""Maximum depth of included files, as in OpenSSH."""
MAX_FILES = 200
MAX_CONFIG_BYTES = 2**20
MAX_JUMPS = 8
MAX_PORT = 65535
MAX_TIMEOUT_S = 3600


@dataclass(frozen=True, slots=True)
class Host:
    """Where to connect, as which user, and with which files."""

    address: Ssh
    hostname: str
    port: int
    user: str
    keys: tuple[Path, ...]
    agent_keys: bool
    """Whether the keys of a running ssh-agent may be used."""
    known_hosts: tuple[Path, ...]
    """The files of known hosts; the first is where a new host belongs."""
    jumps: tuple[Ssh, ...]
    timeout_s: float

    @property
    def known_as(self) -> str:
        """The host's name in a file of known hosts."""
        return self.hostname if self.port == 22 else f"[{self.hostname}]:{self.port}"


def resolve(address: Ssh, timeout_s: float) -> Host:
    """The fields of the device file, completed by the configuration. Raises BadFile and UsageError."""
    path = Path(address.config) if address.config else Path("~/.ssh/config")
    with reading(path, f"an SSH configuration for {address.host}"):
        return _host(address, _options(address, path.expanduser()), timeout_s)


def _host(address: Ssh, options: paramiko.SSHConfigDict, timeout_s: float) -> Host:
    if options.get("proxycommand") and not options.get("proxyjump"):
        raise UsageError(f"{address}: ProxyCommand of the SSH configuration is not supported; use ProxyJump")
    keys = [Path(name).expanduser() for name in options.get("identityfile", DEFAULT_KEYS)]
    known = (
        f"{options.get('userknownhostsfile', KNOWN_HOSTS)} {options.get('globalknownhostsfile', GLOBAL_KNOWN_HOSTS)}"
    )
    return Host(
        address=address,
        hostname=_name(options["hostname"], "hostname"),
        port=address.port or _number(address, options, "port", 22, MAX_PORT),
        user=_name(address.user or options.get("user") or getpass.getuser(), "user"),
        keys=tuple(key for key in keys if key.is_file()),
        agent_keys=options.get("identitiesonly", "no").lower() != "yes",
        known_hosts=tuple(Path(name).expanduser() for name in known.split()),
        jumps=_jumps(address, options.get("proxyjump", "none")),
        timeout_s=_number(address, options, "connecttimeout", 0, MAX_TIMEOUT_S) or timeout_s,
    )


def _options(address: Ssh, path: Path) -> paramiko.SSHConfigDict:
    if not path.is_file():
        if address.config:
            raise BadFile(path, "an SSH configuration", "no such file")
        return paramiko.SSHConfig().lookup(address.host)
    lines = _Lines(path.parent, may_execute=_is_own(path)).of(path)
    return paramiko.SSHConfig.from_text("\n".join(lines)).lookup(address.host)


def _is_own(path: Path) -> bool:
    """Whether it is the user's own configuration, and not one that came with a workspace."""
    own = Path("~/.ssh/config").expanduser()
    return own.is_file() and own.samefile(path)


class _Lines:
    """The lines of a configuration, with included files inlined: paramiko does not support includes."""

    def __init__(self, base: Path, may_execute: bool) -> None:
        self._base = base
        self._may_execute = may_execute
        self._files = 0

    def of(self, path: Path, depth: int = 0) -> list[str]:
        """The lines of that file. Raises BadFile."""
        self._files += 1
        if depth > MAX_INCLUDES:
            raise BadFile(path, "an SSH configuration", "that it includes itself")
        if self._files > MAX_FILES:
            raise BadFile(path, "an SSH configuration", f"more than {MAX_FILES} included files")
        lines: list[str] = []
        for line in read_text(path, "an SSH configuration", MAX_CONFIG_BYTES).splitlines():
            self._refuse_execution(path, line)
            match = re.fullmatch(r"\s*include(?:\s+|\s*=\s*)(\S.*?)\s*", line, re.IGNORECASE)
            if not match:
                lines.append(line)
                continue
            for pattern in match[1].split():
                for name in sorted(glob.glob(str(self._base / Path(pattern.strip('"')).expanduser()))):  # noqa: PTH207 - may be absolute
                    lines.extend(self.of(Path(name), depth + 1))
        return lines

    def _refuse_execution(self, path: Path, line: str) -> None:
        """paramiko passes the command of a `Match exec` to a shell: only the user's own configuration may name one."""
        match = re.match(paramiko.SSHConfig.SETTINGS_REGEX, line.strip())
        if self._may_execute or not match or match[1].lower() != "match":
            return
        if any(word.lstrip("!").lower() == "exec" for word in shlex.split(match[2])):
            raise BadFile(
                path,
                "an SSH configuration that runs no command",
                "a line with Match exec, which latkit takes from ~/.ssh/config only; name the host by Host instead",
            )


def _name(value: str, option: str) -> str:
    """A name that can be shown and sent. Raises ValueError."""
    if not value or printable(value) != value or "\n" in value:
        raise ValueError(f"{option} {one_line(value, 60)!r}")
    return value


def _number(address: Ssh, options: paramiko.SSHConfigDict, name: str, default: int, maximum: int) -> int:
    value = options.get(name, str(default))
    if not re.fullmatch("[0-9]{1,9}", value) or not min(default, 1) <= int(value) <= maximum:
        raise UsageError(
            f"{address}: expected {name} of the SSH configuration as a number up to {maximum}, but found "
            f"{one_line(value, 60)!r}"
        )
    return int(value)


def _jumps(address: Ssh, text: str) -> tuple[Ssh, ...]:
    if text.lower() == "none":
        return ()
    names = [name.strip().removeprefix("ssh://") for name in text.split(",")]
    if len(names) > MAX_JUMPS:
        raise UsageError(f"expected at most {MAX_JUMPS} hosts in ProxyJump, but found {len(names)}")
    return tuple(Ssh.parse(name, address.config) for name in names)
