"""The SSH transport, by paramiko."""

from __future__ import annotations

from latkit.devices.transports.base import Transport
from latkit.devices.transports.way import Ssh


class SshTransport:
    @staticmethod
    def connect(way: Ssh, timeout_s: float) -> Transport:
        raise NotImplementedError
