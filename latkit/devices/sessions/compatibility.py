"""Checks whether a device and its environment are unchanged, so that different measurements are not mixed."""

from __future__ import annotations

from collections.abc import Callable

from latkit._io import one_line
from latkit.devices.device import Device, Facts
from latkit.devices.sessions.session import DEFAULT_OPTIONS, Session, SessionMaker, SessionOptions, open_session
from latkit.errors import MeasurementConflict
from latkit.targets import Target
from latkit.timing import Environment

HARDWARE = ("model", "architecture", "instruction_set", "cores", "memory_bytes")
"""The facts that identify a device (see `Facts.key`)."""
UNSTEADY = ("boot_id", "memory_bytes")
"""Facts that differ from day to day on the same device."""


def hardware_changes(device: Device, found: Facts) -> str:
    """The differences that show that this is not the device file's machine; empty if it is the same."""
    return "" if device.key == found.key else _first_change(device.facts, found, HARDWARE)


def system_changes(device: Device, found: Facts) -> str:
    """Other changes since the device was registered, such as its kernel; empty if there are none."""
    names = tuple(name for name in Facts.model_fields if name not in (*UNSTEADY, *HARDWARE))
    return _first_change(device.facts, found, names)


def check_same_device(device: Device, found: Facts) -> None:
    """Raise MeasurementConflict if this is not the device file's machine."""
    changed = hardware_changes(device, found)
    if changed:
        raise MeasurementConflict(
            f"{device.name} is another device than its file says: {changed}; measurements of both would be mixed. "
            f"Register it anew: latkit device remove {device.name} --keep-files, then latkit device add"
        )


def open_unchanged(
    device: Device,
    target: Target,
    options: SessionOptions = DEFAULT_OPTIONS,
    on_message: Callable[[str], None] = lambda _text: None,
    claim: Callable[[str], None] = lambda _boot_id: None,
    make: SessionMaker | None = None,
) -> Session:
    """A session from `open_session`, on the registered device itself; `on_message` receives updates.

    `claim` receives the boot id of the connected machine, and raises if it may not be used. `make`: creates a session
    of another kind. Raises as `open_session` does, and MeasurementConflict if this is another machine.
    """
    session = open_session(device, target, options, on_message, make)
    try:
        claim(session.boot_id)
        found = session.facts()
        check_same_device(device, found)
    except BaseException:
        session.close()
        raise
    updated = system_changes(device, found)
    if updated:
        on_message(f"{device.name} has changed since it was registered: {updated}")
    return session


def environment_changes(before: Environment, now: Environment) -> str:
    """The differences between the environment of earlier measurements and the current one, as text; empty if none."""
    return "; ".join(
        f"{name.replace('_', ' ')} was {one_line(str(old or 'unknown'))}, is {one_line(str(new or 'unknown'))}"
        for name, (old, new) in before.changes(now).items()
    )


def _first_change(ours: Facts, theirs: Facts, names: tuple[str, ...]) -> str:
    before, now = ours.model_dump(), theirs.model_dump()
    changed = [name for name in names if before[name] != now[name]]
    if not changed:
        return ""
    old, new = (one_line(str(values[changed[0]])) for values in (before, now))
    return f"{changed[0]} was {old}, is {new}"
