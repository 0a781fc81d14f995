"""The transports, and how an address is read and opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, SerializeAsAny

from latkit._registry import Registry
from latkit.devices.transports.address import CONNECT_S, Address
from latkit.devices.transports.base import Transport
from latkit.errors import UsageError

TRANSPORTS: Registry[type] = Registry(
    "transport",
    "latkit.transports",
    type,
    {
        "adb": "latkit.devices.transports.adb.address:Adb",
        "local": "latkit.devices.transports.local:Local",
        "ssh": "latkit.devices.transports.ssh.address:Ssh",
    },
)
"""The address class of every transport, by the `kind` of its addresses."""


def get_transport(name: object) -> type[Address]:
    """The address class of a transport. Raises UsageError, which lists the known transports."""
    found = TRANSPORTS.get(name)
    if not issubclass(found, Address) or found.model_fields["kind"].default != name:
        raise UsageError(
            f"expected the transport {name!r} of {TRANSPORTS.origin(str(name))} as a subclass of Address with that "
            f"name as its kind, but found {found.__name__}"
        )
    return found


def read_address(table: object) -> object:
    """The address that a table of a device file describes; anything but a table is returned. Raises ValueError."""
    if not isinstance(table, Mapping):
        return table
    try:
        address = get_transport(table.get("kind"))
    except UsageError as error:
        raise ValueError(str(error)) from error
    return address.model_validate(dict(table))


AnyAddress = Annotated[SerializeAsAny[Address], BeforeValidator(read_address)]
"""The type of a record's field that holds an address of any transport."""


def connect(address: Address, timeout_s: float = CONNECT_S) -> Transport:
    """Open the transport. Raises Unreachable and HostKeyError. `timeout_s` bounds each step of connecting."""
    return address.connect(timeout_s)
