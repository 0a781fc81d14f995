"""The registry: a folder with one file per device. Adding a device probes it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from latkit._io import did_you_mean, one_line
from latkit._io.reading import describe_error
from latkit.devices.android.phone import phone_facts, properties
from latkit.devices.device import Device, Facts, check_folder
from latkit.devices.leases.quarantine import lift_quarantine
from latkit.devices.provisioning.clearing import claimed, clear
from latkit.devices.sessions.agent_client import Link
from latkit.devices.sessions.agent_launcher import choose_python, launch
from latkit.devices.sessions.answers import Probed, checked
from latkit.devices.transports import Address, Transport, connect
from latkit.devices.trust import check_trusted, trust
from latkit.errors import BadFile, DeviceError, LatkitError, UsageError
from latkit.runtimes import list_runtimes
from latkit.targets import check_name

PROBE_S = 180.0
"""Importing torch from an SD card takes up to a minute."""


def add_device(
    folder: Path,
    name: str,
    address: Address,
    *,
    python: str | None = None,
    native: bool = False,
    agent_folder: str | None = None,
) -> Device:
    """Probe a device and write its file. Nothing is written unless the probe succeeds.

    `python` names the interpreter on the device (by default the current one for a local device, otherwise `python3`
    there). A device without Python gets the native agent, and so does one with `native` set. `agent_folder` is an
    absolute path on the device, of a folder that is new, empty or latkit's. On failure, also by Ctrl-C, nothing is left
    on the device. The files that it names on this host are thereby confirmed (see `latkit.devices.trust`). Raises
    UsageError for a name that is taken and for a folder with other content, DeviceError, BundleError.
    """
    check_name(name, "a device's name")
    _check_free(folder, name)
    if agent_folder is not None:
        agent_folder = check_folder(agent_folder)
    with connect(address) as transport:
        place = agent_folder or f"{transport.home()}/{address.agent_folder}"
        named = python or (sys.executable if address.is_this_host else None)
        interpreter = None if native else choose_python(transport, named)
        with claimed(transport, place):
            device, _ = probe(transport, name, address, interpreter, place)
            trust(device)
            try:
                device.write(folder)
            except FileExistsError:
                _check_free(folder, name)
    return device


def probe(
    transport: Transport, name: str, address: Address, python: str | None, folder: str
) -> tuple[Device, dict[str, str]]:
    """A device's record as read by its agent, and why each absent runtime is absent. Raises DeviceError."""
    with launch(transport, name, folder, python) as link:
        return probe_with(link, transport, name, address, python, folder)


def probe_with(
    link: Link, transport: Transport, name: str, address: Address, python: str | None, folder: str
) -> tuple[Device, dict[str, str]]:
    """The same, by a running agent."""
    found = checked(Probed, link.ask("probe", PROBE_S, runtimes_s=PROBE_S / 2), "probe", name)
    try:
        device = Device(
            name=name,
            added_at=datetime.now(UTC).isoformat(timespec="seconds"),
            agent="python" if python else "native",
            python=python,
            folder=folder,
            runtimes=_known(found.runtimes),
            transport=address,
            # validated again: what a phone reports has to be readable from the device's file
            facts=Facts.model_validate(phone_facts(found.facts, properties(transport, address)).model_dump()),
        )
    except ValidationError as error:
        raise DeviceError(f"{name}: expected good facts from the probe, but found {describe_error(error)}") from None
    return device, _known({runtime: one_line(reason) for runtime, reason in found.absent.items()})


def load_device(folder: Path, name: str) -> Device:
    """The device of that name. Raises UsageError, which names the existing ones, and BadFile."""
    check_name(name, "a device's name")
    path = folder / f"{name}.toml"
    if not path.is_file():
        names = _names(folder)
        known = ", ".join(names) or "none; add one with: latkit device add NAME --local"
        raise UsageError(f"unknown device {name!r}; known devices: {known}{did_you_mean(name, names)}")
    return Device.read(path)


def list_devices(folder: Path) -> list[Device]:
    """All registered devices, by name. Raises BadFile."""
    return [Device.read(folder / f"{name}.toml") for name in _names(folder)]


def remove_device(folder: Path, name: str, keep_files: bool = False) -> LatkitError | None:
    """Remove a device's record, and empty the agent's folder on it unless its files are to be kept.

    The record is removed even if the device cannot be reached; then that error is returned, as its files are still
    there. It is also returned if files stay that are not known to be latkit's. Raises UsageError for an unknown device,
    BadFile.
    """
    device = load_device(folder, name)
    trouble = None
    if not keep_files:
        try:
            trouble = _remove_files(folder, device)
        except (DeviceError, UsageError) as error:
            trouble = error
    (folder / f"{name}.toml").unlink(missing_ok=True)
    lift_quarantine(folder, name)
    return trouble


def _remove_files(folder: Path, device: Device) -> LatkitError | None:
    """Empty the agent's folder; returns what had to stay, and why. Raises DeviceError, UsageError."""
    for name in _names(folder):
        with suppress(BadFile):
            other = Device.read(folder / f"{name}.toml")
            if name != device.name and (other.folder, other.key) == (device.folder, device.key):
                return DeviceError(f"{device.folder} is the folder of {name} too")
    check_trusted(device)
    with connect(device.transport) as transport:
        left = clear(transport, device.folder)
    if left:
        return DeviceError(
            f"nothing shows that {', '.join(left)} in {device.folder} was made by latkit; what is of no use to you "
            "there, remove by hand"
        )
    return None


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.toml") if not path.name.startswith("."))


def _check_free(folder: Path, name: str) -> None:
    if (folder / f"{name}.toml").exists():
        raise UsageError(f"a device named {name!r} is registered already; remove it first, or choose another name")


def _known(found: Mapping[str, str]) -> dict[str, str]:
    """What was found of each runtime, given what was found of the agent's loaders."""
    return {one.name: found[one.loader] for one in list_runtimes() if one.loader in found}
