"""Transports: ways to a device. `connect` opens the one that a device file names."""

from latkit.devices.transports.base import Completed, Stream, Transport
from latkit.devices.transports.connect import connect
from latkit.devices.transports.way import Adb, Local, Ssh, Way

__all__ = ["Adb", "Completed", "Local", "Ssh", "Stream", "Transport", "Way", "connect"]
