"""The address of a device: the record in its file, which says everything about the transport that reaches it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict

from latkit._io import printable
from latkit.devices.transports.base import Transport

AGENT_FOLDER = ".cache/latkit"
"""The agent's folder, in the home folder of the user on the device."""
CONNECT_S = 10.0
ADDRESS = re.compile(
    r"(?:(?P<user>[^@\s-][^@\s]*)@)?(?:\[(?P<v6>[0-9a-fA-F:.]+(?:%[A-Za-z0-9_.-]+)?)\]|(?P<host>[^@:\s\[\]-][^@:\s\[\]]*))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
MAX_CHARS = 255
MAX_SHOWN = 100
"""Of an invalid address, this many characters are shown."""


class Address(BaseModel):
    """The address of a device, and so everything about its transport; no other code asks for its kind.

    A transport is a subclass in a file of its own, with the fields that a device file records, and `kind` as a
    `Literal` with the transport's name as its default.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    kind: str
    is_this_host: ClassVar[bool] = False
    """Whether commands run on this machine."""
    is_android: ClassVar[bool] = False
    """Whether the device is a phone, which `getprop` and `dumpsys` describe."""
    agent_folder: ClassVar[str] = AGENT_FOLDER
    """The agent's folder, below the home folder of the user on the device."""

    def __str__(self) -> str:
        """The address as on the command line."""
        raise NotImplementedError

    @property
    def place(self) -> str:
        """Identifies this address among those of all transports."""
        return f"{self.kind} {self}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address as the command line has it. Raises UsageError."""
        raise NotImplementedError

    def connect(self, timeout_s: float = CONNECT_S) -> Transport:
        """Open the transport. Raises Unreachable and HostKeyError. `timeout_s` bounds each step of connecting."""
        raise NotImplementedError

    def host_files(self) -> dict[str, Path]:
        """The files of this host that connecting runs or follows, by a description such as `the SSH configuration`.

        They are confirmed by the user first (see `latkit.devices.trust`); the user's own need not be named.
        """
        return {}


def match_host(text: str) -> re.Match[str] | None:
    """The parts of `[USER@]HOST[:PORT]`, with an IPv6 address in brackets.

    None if it contains characters that cannot be shown, or is too long.
    """
    return ADDRESS.fullmatch(text) if len(text) <= MAX_CHARS and printable(text) == text else None
