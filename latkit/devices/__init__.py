"""Devices: their files, the ways to them, the agent that runs on them, and sessions with it."""

from latkit.devices.device import Core, Device, Facts
from latkit.devices.doctor import Check, examine
from latkit.devices.install import install
from latkit.devices.registry import add_device, list_devices, load_device, remove_device
from latkit.devices.session import Session, open_session
from latkit.devices.transports import Local, Ssh, Transport, connect

__all__ = [
    "Check",
    "Core",
    "Device",
    "Facts",
    "Local",
    "Session",
    "Ssh",
    "Transport",
    "add_device",
    "connect",
    "examine",
    "install",
    "list_devices",
    "load_device",
    "open_session",
    "remove_device",
]
