"""A device as a short description for people, and with its state for programs."""

from __future__ import annotations

from pathlib import Path

from latkit.devices.cpu_topology import Cluster, clusters, ranges
from latkit.devices.device import Device, Facts
from latkit.devices.leases.lease import holder_of
from latkit.devices.leases.quarantine import quarantine_of

EMULATED = "emulated"
"""Shown with every latency of an emulator, which is not a phone's."""


def describe(device: Device) -> dict[str, str]:
    """A summary of a device for people, by name."""
    facts = device.facts
    return {
        "model": f"{facts.model} ({EMULATED})" if facts.emulated else facts.model,
        "address": str(device.transport),
        **({"chip": facts.soc} if facts.soc else {}),
        "cores": _cores(facts),
        "instruction set": " ".join(facts.instruction_set) or "nothing special",
        "memory": f"{facts.memory_bytes / 2**30:.1f} GiB",
        "governor": facts.governor or "unknown",
        "system": f"{facts.os}, kernel {facts.kernel}",
        "agent": device.runs,
        "runtimes": ", ".join(device.shown_runtimes()) or "none",
    }


def _cores(facts: Facts) -> str:
    """Number of cores of each kind, and their frequency."""
    kinds = clusters(facts.cores)
    count = f"{len(facts.cores)} {facts.architecture}"
    if len(kinds) == 1:
        return count + _speed(kinds[0])
    return f"{count}: " + "; ".join(f"{kind.name} {ranges(kind.cores)}{_speed(kind)}" for kind in kinds)


def _speed(kind: Cluster) -> str:
    return f", up to {kind.max_khz / 1e6:.2f} GHz" if kind.max_khz else ""


def document(folder: Path, device: Device) -> dict[str, object]:
    """The device's file, the holder of its lease, and the reason for its quarantine, if any. Raises BadFile,
    DeviceError.
    """
    holder, quarantine = holder_of(device), quarantine_of(folder, device.name)
    return {
        **device.model_dump(mode="json"),
        "holder": holder.model_dump(mode="json", exclude={"token"}) if holder else None,
        "quarantine": quarantine.model_dump(mode="json") if quarantine else None,
    }
