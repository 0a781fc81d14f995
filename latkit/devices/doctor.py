"""The doctor: examines a device, and gives a remedy for each failed check."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace

from latkit.devices.android.phone import phone_state
from latkit.devices.android.phone_checks import check_emulated, check_phone
from latkit.devices.check import Check
from latkit.devices.device import Device
from latkit.devices.registry import probe_with
from latkit.devices.sessions.agent_client import Link
from latkit.devices.sessions.agent_launcher import find_python, launch
from latkit.devices.sessions.answers import Clock, Conditions, checked
from latkit.devices.sessions.compatibility import environment_changes, hardware_changes, system_changes
from latkit.devices.sessions.session import CONDITIONS_S
from latkit.devices.transports import Transport, connect
from latkit.errors import DeviceError
from latkit.targets import Target
from latkit.timing import Environment

CLOCK_S = 1.0
MAX_DRIFT = 0.01
"""Beyond this difference, the two monotonic clocks do not count the same seconds."""
MAX_SKEW_S = 5.0
MAX_LOAD_PER_CORE = 0.3
MIN_DISK_BYTES = 2**30
MIN_MEMORY_BYTES = 2**28
UNREPORTED = "not reported by the device"

ESSENTIAL = ("reachable", "python", "agent", "clock", "disk", "memory", "runtimes", "facts")
"""The checks that measuring requires; the others only affect the quality of the numbers."""


def examine(device: Device, measured: Mapping[Target, Environment] | None = None) -> list[Check]:
    """All checks in order, ending early after one that makes the others impossible. Does not raise DeviceError.

    `measured`: the latest environment of each target of the device.
    """
    try:
        transport = connect(device.transport)
    except DeviceError as error:
        return [Check("reachable", False, str(error), f"check that {device.transport} is on and lets you in")]
    with closing(transport):
        checks = [Check("reachable", True, str(device.transport))]
        try:
            checks.extend(_inside(device, transport, measured or {}))
        except DeviceError as error:
            checks.append(
                Check(
                    "agent",
                    False,
                    str(error),
                    f"see whether {device.python or 'the native agent'} starts on the device",
                )
            )
        return checks


def healthy(checks: list[Check]) -> bool:
    """Whether the device can be measured on."""
    return not any(check.ok is False for check in checks if check.name in ESSENTIAL)


def _inside(device: Device, transport: Transport, measured: Mapping[Target, Environment]) -> Iterator[Check]:
    python = _python(device, transport)
    yield python
    if not python.ok:
        return
    with launch(transport, device.name, device.folder, device.python) as link:
        yield Check("agent", True, f"{device.runs}, in {device.folder}")
        answer = link.ask("conditions", CONDITIONS_S)  # before any of latkit's work loads the device
        conditions = checked(Conditions, answer, "conditions", device.name)
        yield from _clocks(link, device.name)
        yield _governor(conditions.governor, device.transport.is_android)
        yield _load(conditions.load1, len(device.facts.cores))
        yield _room("disk", conditions.free_disk_bytes, MIN_DISK_BYTES, f"make room for {device.folder}")
        yield _room("memory", conditions.free_memory_bytes, MIN_MEMORY_BYTES, "end what takes the memory")
        found, absent = probe_with(link, transport, device.name, device.transport, device.python, device.folder)
        yield _runtimes(device, found, absent)
        yield _facts(device, found)
        yield from _measured(measured, found)
        if device.transport.is_android:
            yield check_emulated(found.facts.emulated)
            yield from check_phone(phone_state(transport))


def _python(device: Device, transport: Transport) -> Check:
    if device.python is None:
        return Check("python", True, "not needed by the native agent")
    try:
        find_python(transport, device.python)
    except DeviceError as error:
        return Check("python", False, str(error), f"latkit device doctor {device.name} --install")
    return Check("python", True, device.python)


def _clocks(link: Link, device: str) -> Iterator[Check]:
    """How the device's clocks compare with the host's, within the time that a request takes."""
    first, wait_first = _ask_clock(link, device)
    time.sleep(CLOCK_S)
    second, wait_second = _ask_clock(link, device)
    here, there = second[0] - first[0], second[1] - first[1]
    unsure = (wait_first + wait_second) / here
    drift = abs(there / here - 1)
    steady = drift <= MAX_DRIFT + unsure
    remedy = (
        "" if steady else "measure nothing there: its clock cannot be trusted (an emulator, or a suspended machine?)"
    )
    yield Check("clock", steady, f"{there:.3f} s pass there in {here:.3f} s here", remedy)
    skew_s = second[2]
    right = abs(skew_s) <= MAX_SKEW_S + wait_second
    remedy = "" if right else "set its date, for example by timedatectl set-ntp true; measurements do not depend on it"
    yield Check("date", True if right else None, f"{skew_s + 0:.1f} s from the host's", remedy)


def _ask_clock(link: Link, device: str) -> tuple[tuple[float, float, float], float]:
    """The host's and the device's monotonic seconds, the offset of the device's date, and the duration
    of the request.
    """
    begin, unix_s = time.monotonic(), time.time()
    answer = link.ask("conditions", CONDITIONS_S)
    wait_s = time.monotonic() - begin
    clock = checked(Clock, answer, "conditions", device)
    return (begin + wait_s / 2, clock.monotonic_s, clock.unix_s - unix_s - wait_s / 2), wait_s


def _governor(governor: str | None, is_phone: bool) -> Check:
    if governor is None:
        return Check("governor", None, UNREPORTED, "where frequencies change, expect drift")
    if is_phone:
        return Check("governor", None, governor, "a phone lets only root change it: expect drift")
    if governor == "performance":
        return Check("governor", True, governor)
    remedy = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    return Check("governor", False, governor, remedy)


def _load(load1: float | None, cores: int) -> Check:
    if load1 is None:
        return Check("load", None, UNREPORTED, "see that nothing else runs there")
    is_idle = load1 <= MAX_LOAD_PER_CORE * cores
    return Check("load", is_idle, f"{load1:.2f} on {cores} cores", "" if is_idle else "end what runs there, or wait")


def _room(name: str, free_bytes: int | None, min_bytes: int, remedy: str) -> Check:
    if free_bytes is None:
        return Check(name, None, UNREPORTED, remedy)
    is_sufficient = free_bytes >= min_bytes
    return Check(name, is_sufficient, f"{free_bytes / 2**20:.0f} MiB free", "" if is_sufficient else remedy)


def _runtimes(device: Device, found: Device, absent: dict[str, str]) -> Check:
    anew = f"latkit device remove {device.name} --keep-files, then add it anew"
    names = ", ".join(found.runtimes.values())
    changed = [name for name, version in device.runtimes.items() if found.runtimes.get(name) != version]
    if not found.runtimes:
        why = "; ".join(f"{name}: {reason}" for name, reason in absent.items())
        return Check("runtimes", False, f"none ({why})", f"latkit device doctor {device.name} --install")
    if changed:
        was, now = device.runtimes[changed[0]], found.runtimes.get(changed[0], absent.get(changed[0]))
        return Check("runtimes", False, f"{changed[0]} was {was}, is {now}", anew)
    return Check("runtimes", True, names)


def _facts(device: Device, found: Device) -> Check:
    anew = f"latkit device remove {device.name} --keep-files, then add it anew"
    other = hardware_changes(device, found.facts)
    if other:
        return Check("facts", False, f"{other}: another device?", anew)
    updated = system_changes(device, found.facts)
    if updated:
        return Check("facts", None, updated, f"if that is meant: {anew}")
    return Check("facts", True, "as in its file")


def _measured(measured: Mapping[Target, Environment], found: Device) -> Iterator[Check]:
    """Whether each measured target could be measured today in the same environment."""
    for target, before in measured.items():
        now = replace(
            before,
            device_key=found.key,
            runtime_version=found.runtimes.get(target.runtime, ""),
            governor=found.facts.governor or "",
            agent=found.agent,
        )
        changed = environment_changes(before, now)
        if changed:
            remedy = f"measured anew, it is kept apart and not mixed: latkit collect space {target} --space SPACE"
            yield Check(f"measured {target}", None, changed, remedy)
        else:
            yield Check(f"measured {target}", True, "with what is installed today")
