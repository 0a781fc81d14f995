"""Transports: connections to devices. `connect` opens the one that a device file names."""

from latkit.devices.transports.adb.address import Adb
from latkit.devices.transports.address import Address
from latkit.devices.transports.base import Completed, Stream, Transport
from latkit.devices.transports.connect import TRANSPORTS, AnyAddress, connect, get_transport
from latkit.devices.transports.local import Local
from latkit.devices.transports.ssh.address import Ssh

__all__ = [
    "TRANSPORTS",
    "Adb",
    "Address",
    "AnyAddress",
    "Completed",
    "Local",
    "Ssh",
    "Stream",
    "Transport",
    "connect",
    "get_transport",
]
