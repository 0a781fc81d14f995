"""The address of a machine reached by SSH."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from latkit.devices.transports.address import CONNECT_S, MAX_SHOWN, Address, match_host
from latkit.devices.transports.base import Transport
from latkit.errors import UsageError


class Ssh(Address):
    """A machine reached by SSH. Missing fields come from the SSH configuration, as with the command `ssh`."""

    kind: Literal["ssh"] = "ssh"
    host: str = Field(min_length=1)
    """Name, address, or an alias of the configuration."""
    user: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    config: str | None = None
    """Path of the SSH configuration on the host; by default `~/.ssh/config`."""

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{user}{host}" + (f":{self.port}" if self.port else "")

    @property
    def place(self) -> str:
        """Identifies this address."""
        return f"{self.host.lower()}:{self.port or 22}"

    @classmethod
    def parse(cls, text: str, config: str | None = None) -> Ssh:
        """Read `[USER@]HOST[:PORT]`; an IPv6 address is in brackets. Raises UsageError."""
        match = match_host(text)
        port = int(match["port"]) if match and match["port"] else None
        if not match or (port is not None and not 1 <= port <= 65535):
            raise UsageError(f"expected an SSH address as [USER@]HOST[:PORT], but found {text[:MAX_SHOWN]!r}")
        place = _absolute(config) if config else None
        return cls(host=match["v6"] or match["host"], user=match["user"], port=port, config=place)

    def connect(self, timeout_s: float = CONNECT_S) -> Transport:
        """Open the connection."""
        from latkit.devices.transports.ssh.transport import SshTransport  # paramiko takes long to import

        return SshTransport.connect(self, timeout_s)

    def host_files(self) -> dict[str, Path]:
        """The SSH configuration, which decides who is shown this user's keys, unless it is the user's own."""
        if self.config is None:
            return {}
        path = Path(self.config).expanduser()
        own = Path.home() / ".ssh" / "config"
        # without following links: where a link leads may change
        return {} if Path(os.path.abspath(path)) == own else {"the SSH configuration": path}  # noqa: PTH100


def _absolute(path: str) -> str:
    try:
        return str(Path(path).expanduser().absolute())
    except (RuntimeError, OSError) as error:  # the home of an unknown user; a deleted folder
        raise UsageError(
            f"expected the path of an SSH configuration, but found {path[:MAX_SHOWN]!r}: {error}"
        ) from None
