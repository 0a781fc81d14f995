"""The way to a device, as its file records it: which transport, and where to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from latkit.errors import UsageError

ADDRESS = re.compile(
    r"(?:(?P<user>[^@\s-][^@\s]*)@)?(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^@:\s\[\]-][^@:\s\[\]]*))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)


class Local(BaseModel):
    """This machine itself."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    kind: Literal["local"] = "local"

    def __str__(self) -> str:
        return "local"


class Ssh(BaseModel):
    """A machine reached by SSH. What is left out comes from the SSH configuration, as with the command `ssh`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
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

    @classmethod
    def parse(cls, text: str, config: str | None = None) -> Ssh:
        """Read `[USER@]HOST[:PORT]`; an IPv6 address stands in brackets. Raises UsageError."""
        match = ADDRESS.fullmatch(text)
        port = int(match["port"]) if match and match["port"] else None
        if not match or (port is not None and not 1 <= port <= 65535):
            raise UsageError(f"expected an SSH address as [USER@]HOST[:PORT], but found {text!r}")
        place = str(Path(config).expanduser().absolute()) if config else None
        return cls(host=match["v6"] or match["host"], user=match["user"], port=port, config=place)


Way = Annotated[Local | Ssh, Field(discriminator="kind")]
"""Any of them; `kind` tells which."""
