"""Requests about devices: registered and examined."""

from __future__ import annotations

from latkit.devices.transports import AnyAddress
from latkit.workspace.requests.base import Request


class AddDeviceRequest(Request):
    """Probe a device and write its file."""

    name: str
    address: AnyAddress
    python: str | None = None
    """Interpreter on the device that runs the agent."""
    native: bool = False
    """Use the native agent even where there is Python."""
    agent_folder: str | None = None
    """Absolute path on the device for the agent and its models."""


class DoctorRequest(Request):
    """Examine a device, and lift its quarantine if it is healthy."""

    name: str
    install: tuple[str, ...] = ()
    """Runtimes to install first."""
    precisions: bool = False
    """Probe which precisions its runtimes execute, and how fast."""
