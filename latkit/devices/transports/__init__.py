"""Transports: connections to devices. `connect` opens the one that a device file names."""

from latkit.devices.transports.address import Adb, Address, Local, Ssh
from latkit.devices.transports.base import Completed, Stream, Transport
from latkit.devices.transports.connect import connect

__all__ = ["Adb", "Address", "Completed", "Local", "Ssh", "Stream", "Transport", "connect"]
