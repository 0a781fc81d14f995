"""Opens a transport from the address that a device file records."""

from __future__ import annotations

from latkit.devices.transports.address import Adb, Local, Way
from latkit.devices.transports.base import Transport
from latkit.devices.transports.local import LocalTransport


def connect(way: Way, timeout_s: float = 10.0) -> Transport:
    """Open the transport. Raises Unreachable and HostKeyError. `timeout_s` bounds each step of connecting."""
    if isinstance(way, Local):
        return LocalTransport()
    if isinstance(way, Adb):
        from latkit.devices.transports.adb import AdbTransport  # as little as paramiko needed at most

        return AdbTransport.connect(way, timeout_s)
    from latkit.devices.transports.ssh import SshTransport  # paramiko takes long to import

    return SshTransport.connect(way, timeout_s)
