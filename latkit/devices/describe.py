"""A device in a few words for people, and with its state for programs."""

from __future__ import annotations

from pathlib import Path

from latkit.devices.device import Device
from latkit.devices.lease import holder_of
from latkit.devices.quarantine import quarantine_of


def describe(device: Device) -> dict[str, str]:
    """What a person wants to know of a device, by name."""
    facts = device.facts
    fastest = max((core.max_khz or 0 for core in facts.cores), default=0)
    return {
        "model": facts.model,
        "way": str(device.transport),
        "cores": f"{len(facts.cores)} {facts.architecture}" + (f", up to {fastest / 1e6:.2f} GHz" if fastest else ""),
        "instruction set": " ".join(facts.instruction_set) or "nothing special",
        "memory": f"{facts.memory_bytes / 2**30:.1f} GiB",
        "governor": facts.governor or "unknown",
        "system": f"{facts.os}, kernel {facts.kernel}",
        "agent": device.runs,
        "runtimes": ", ".join(device.runtimes.values()) or "none",
    }


def document(folder: Path, device: Device) -> dict[str, object]:
    """The device's file, who holds the device, and why it is left alone if it is. Raises BadFile, DeviceError."""
    holder, quarantine = holder_of(device), quarantine_of(folder, device.name)
    return {
        **device.model_dump(mode="json"),
        "holder": holder.model_dump(mode="json", exclude={"token"}) if holder else None,
        "quarantine": quarantine.model_dump(mode="json") if quarantine else None,
    }
