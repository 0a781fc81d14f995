"""The address of a phone reached by ADB."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from latkit.devices.transports.address import CONNECT_S, MAX_CHARS, MAX_SHOWN, Address, match_host
from latkit.devices.transports.base import Transport
from latkit.errors import UsageError

PHONE_HOME = "/data/local/tmp"
"""The one folder of an unrooted phone that its shell may write to and execute from."""
PHONE_FOLDER = "latkit"
"""The agent's folder on a phone, whose home folder is PHONE_HOME."""
SERIAL = re.compile(r"^[!-,.-~]([ -~]*[!-~])?$")
"""Whatever adb may print for a phone, such as `My Phone 3`, `????????????` and `adb-R5 (2)._adb-tls-connect._tcp`."""
TRANSPORT_ID = re.compile(r"transport_id:[0-9]{1,9}")


class Adb(Address):
    """A phone reached by ADB: over TCP at a host and port, otherwise by its serial through the local adb server."""

    kind: Literal["adb"] = "adb"
    is_android = True
    agent_folder = PHONE_FOLDER
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
        match = None if TRANSPORT_ID.fullmatch(text) else match_host(text)
        port = int(match["port"]) if match and match["port"] else None
        if match and port is not None and not match["user"] and 1 <= port <= 65535:
            return cls(host=match["v6"] or match["host"], port=port)
        if port is None and SERIAL.fullmatch(text) and len(text) <= MAX_CHARS:
            return cls(serial=text)
        raise UsageError(
            f"expected a phone's SERIAL as adb devices shows it, or HOST:PORT, but found {text[:MAX_SHOWN]!r}"
        )

    def connect(self, timeout_s: float = CONNECT_S) -> Transport:
        """Open the connection."""
        from latkit.devices.transports.adb.transport import AdbTransport  # as little as paramiko needed at most

        return AdbTransport.connect(self, timeout_s)
