"""The address of a device, as its file records it: the transport, and where it connects to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from latkit._io import printable
from latkit.errors import UsageError

PHONE_HOME = "/data/local/tmp"
"""The one folder of an unrooted phone that its shell may write to and execute from."""
ADDRESS = re.compile(
    r"(?:(?P<user>[^@\s-][^@\s]*)@)?(?:\[(?P<v6>[0-9a-fA-F:.]+(?:%[A-Za-z0-9_.-]+)?)\]|(?P<host>[^@:\s\[\]-][^@:\s\[\]]*))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
MAX_CHARS = 255
MAX_SHOWN = 100
"""Of an invalid address, this many characters are shown."""
SERIAL = re.compile(r"^[!-,.-~]([ -~]*[!-~])?$")
"""Whatever adb may print for a phone, such as `My Phone 3`, `????????????` and `adb-R5 (2)._adb-tls-connect._tcp`."""
TRANSPORT_ID = re.compile(r"transport_id:[0-9]{1,9}")


class Local(BaseModel):
    """This machine itself."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    kind: Literal["local"] = "local"

    def __str__(self) -> str:
        return "local"

    @property
    def place(self) -> str:
        """Identifies this address."""
        return "local"


class Ssh(BaseModel):
    """A machine reached by SSH. Missing fields come from the SSH configuration, as with the command `ssh`."""

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

    @property
    def place(self) -> str:
        """Identifies this address."""
        return f"{self.host.lower()}:{self.port or 22}"

    @classmethod
    def parse(cls, text: str, config: str | None = None) -> Ssh:
        """Read `[USER@]HOST[:PORT]`; an IPv6 address is in brackets. Raises UsageError."""
        match = _address(text)
        port = int(match["port"]) if match and match["port"] else None
        if not match or (port is not None and not 1 <= port <= 65535):
            raise UsageError(f"expected an SSH address as [USER@]HOST[:PORT], but found {text[:MAX_SHOWN]!r}")
        place = _absolute(config) if config else None
        return cls(host=match["v6"] or match["host"], user=match["user"], port=port, config=place)


class Adb(BaseModel):
    """A phone reached by ADB: over TCP at a host and port, otherwise by its serial through the local adb server."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    kind: Literal["adb"] = "adb"
    serial: str | None = Field(default=None, pattern=SERIAL.pattern)
    """As `adb devices` shows it, or where it is plugged in (`usb:1-1`), or `transport_id:N`."""
    host: str | None = Field(default=None, min_length=1)
    port: int | None = Field(default=None, ge=1, le=65535)

    @model_validator(mode="after")
    def _names_one(self) -> Adb:
        if (self.serial is None) == (self.host is None) or (self.host is None) != (self.port is None):
            raise ValueError("expected either a serial, or a host and a port")
        return self

    def __str__(self) -> str:
        host = f"[{self.host}]" if self.host and ":" in self.host else self.host
        return self.serial or f"{host}:{self.port}"

    @property
    def place(self) -> str:
        """Identifies this address."""
        return f"adb {str(self).lower()}"

    @classmethod
    def parse(cls, text: str) -> Adb:
        """Read `SERIAL` or `HOST:PORT`; an IPv6 address is in brackets. Raises UsageError."""
        match = None if TRANSPORT_ID.fullmatch(text) else _address(text)
        port = int(match["port"]) if match and match["port"] else None
        if match and port is not None and not match["user"] and 1 <= port <= 65535:
            return cls(host=match["v6"] or match["host"], port=port)
        if port is None and SERIAL.fullmatch(text) and len(text) <= MAX_CHARS:
            return cls(serial=text)
        raise UsageError(
            f"expected a phone's SERIAL as adb devices shows it, or HOST:PORT, but found {text[:MAX_SHOWN]!r}"
        )


def _address(text: str) -> re.Match[str] | None:
    """The parts of an address; None if it contains characters that cannot be shown, or is too long."""
    return ADDRESS.fullmatch(text) if len(text) <= MAX_CHARS and printable(text) == text else None


def _absolute(path: str) -> str:
    try:
        return str(Path(path).expanduser().absolute())
    except (RuntimeError, OSError) as error:  # the home of an unknown user; a deleted folder
        raise UsageError(
            f"expected the path of an SSH configuration, but found {path[:MAX_SHOWN]!r}: {error}"
        ) from None


Address = Annotated[Local | Ssh | Adb, Field(discriminator="kind")]
"""Any address; `kind` distinguishes them."""
