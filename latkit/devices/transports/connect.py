"""Opens a transport from the address that a device file records."""

from __future__ import annotations

from latkit.devices.transports.address import Adb, Address, Local
from latkit.devices.transports.base import Transport
from latkit.devices.transports.local import LocalTransport


def connect(address: Address, timeout_s: float = 10.0) -> Transport:
    """Open the transport. Raises Unreachable and HostKeyError. `timeout_s` bounds each step of connecting."""
    if isinstance(address, Local):
        return LocalTransport()
    if isinstance(address, Adb):
        from latkit.devices.transports.adb.transport import AdbTransport  # as little as paramiko needed at most

        return AdbTransport.connect(address, timeout_s)
    from latkit.devices.transports.ssh.transport import SshTransport  # paramiko takes long to import

    return SshTransport.connect(address, timeout_s)
