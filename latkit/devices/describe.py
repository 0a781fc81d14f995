"""A device in a few words, for people."""

from __future__ import annotations

from latkit.devices.device import Device


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
        "python": f"{facts.python_version} at {device.python}",
        "runtimes": ", ".join(device.runtimes.values()) or "none",
    }
