"""The verbs on devices: registered, examined, confirmed and removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from latkit.devices import (
    Check,
    Device,
    add_device,
    check_trusted,
    describe_holder,
    examine,
    healthy,
    install,
    leased,
    lift_quarantine,
    list_devices,
    load_device,
    quarantine_of,
)
from latkit.devices.device_info import document
from latkit.layout import Folders
from latkit.progress import Callbacks
from latkit.workspace.precisions import doctor_precisions
from latkit.workspace.profiling.target_session import MeasuringWorkspace
from latkit.workspace.requests.devices import AddDeviceRequest, DoctorRequest


@dataclass(frozen=True, slots=True)
class DeviceState:
    """A registered device, who uses it, and why it is in quarantine."""

    device: Device
    used_by: str
    quarantine: str
    document: dict[str, Any]
    """All of it as JSON."""


def device_states(folders: Folders, *names: str) -> list[DeviceState]:
    """These registered devices, by default all of them. Raises UsageError, BadFile."""
    folder = folders.devices_dir
    devices = [load_device(folder, name) for name in names] if names else list_devices(folder)
    return [
        DeviceState(
            device,
            describe_holder(device) or "",
            str(quarantine_of(folder, device.name) or ""),
            document(folder, device),
        )
        for device in devices
    ]


def register(folders: Folders, request: AddDeviceRequest) -> Device:
    """Probe a device and write its file. Raises as `latkit.devices.add_device` does."""
    return add_device(
        folders.devices_dir,
        request.name,
        request.address,
        python=request.python,
        native=request.native,
        agent_folder=request.agent_folder,
    )


def doctor(workspace: MeasuringWorkspace, request: DoctorRequest, callbacks: Callbacks) -> list[Check]:
    """Install what is requested, make all checks, and lift the quarantine of a healthy device."""
    folder, name, report = workspace.devices_dir, request.name, callbacks.on_message
    device = load_device(folder, name)
    check_trusted(device)
    measured = workspace.latest_environments(name)
    with leased(device, "latkit device doctor"):
        if request.install:
            report(f"installing {', '.join(request.install)} on {name} from wheels fetched on this machine")
            device = install(folder, name, request.install)
        checks = examine(device, measured)
        if healthy(checks):
            checks += workspace.check_baselines(name)
            checks += doctor_precisions(workspace, name) if request.precisions else ()
    if healthy(checks) and lift_quarantine(folder, name):
        report(f"{name} is no longer in quarantine: run the same commands again to go on")
    return checks
