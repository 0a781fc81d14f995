"""Installs runtimes on a device: a virtual environment of the agent's own, from wheels that the host downloads."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from latkit.devices.device import Device
from latkit.devices.provisioning.agent_folder import claim, inspect_folder, mark_if_new
from latkit.devices.provisioning.wheels import Interpreter, fetch
from latkit.devices.registry import load_device, probe
from latkit.devices.sessions.agent_launcher import COMMAND_S, find_python, has
from latkit.devices.transports import Transport, connect
from latkit.devices.transports.base import sha256_of
from latkit.devices.trust import check_trusted, trust
from latkit.errors import DeviceError, UsageError

INSTALL_S = 1800.0
"""Unpacking torch onto an SD card takes long."""


def install(folder: Path, name: str, runtimes: Sequence[str]) -> Device:
    """Install those runtimes on a registered device, and rewrite its file with the interpreter that has them.

    The device itself downloads nothing. Raises UsageError, DeviceError; then the file stays as it was.
    """
    device = load_device(folder, name)
    if device.python is None:
        raise UsageError(f"{name} runs the native agent, which brings its runtimes with it; nothing is to be installed")
    check_trusted(device)
    with connect(device.transport) as transport:
        claim(transport, device.folder)  # latkit creates a virtual environment only in a folder of its own
        interpreter = Interpreter.query(transport, _base(transport, device))
        with tempfile.TemporaryDirectory(prefix="latkit-wheels-") as temporary:
            wheels = fetch(interpreter, runtimes, Path(temporary))
            mark_if_new(transport, f"{device.folder}/wheels")
            places = [_push(transport, wheel, device.folder) for wheel in wheels]
        python = _environment(transport, interpreter, device.folder)
        _install(transport, python, places)
        found, absent = probe(transport, name, device.transport, python, device.folder)
        failing = [runtime for runtime in runtimes if runtime not in found.runtimes]
        if failing:
            raise DeviceError(f"{name}: {failing[0]} was installed, but does not work: {absent.get(failing[0])}")
        _remove_wheels(transport, device.folder, places)
    device = found.model_copy(update={"added_at": device.added_at})
    trust(device)
    device.write(folder, replace=True)
    return device


def _base(transport: Transport, device: Device) -> str:
    """The recorded interpreter, or another one if it is gone (a virtual environment made by an older system Python)."""
    try:
        return find_python(transport, device.python)
    except DeviceError:
        return find_python(transport, None)


def _push(transport: Transport, wheel: Path, folder: str) -> str:
    place = f"{folder}/wheels/{wheel.name}"
    if not has(transport, place, sha256_of(wheel)):
        transport.push(wheel, place)
    return place


def _remove_wheels(transport: Transport, folder: str, places: Sequence[str]) -> None:
    """Remove what was pushed; if latkit made the folder, remove it with the remains of an earlier attempt."""
    wheels = f"{folder}/wheels"
    if inspect_folder(transport, wheels).marked:
        transport.run(["rm", "-rf", "--", wheels], COMMAND_S)
    else:
        for place in places:
            transport.run(["rm", "-f", "--", place], COMMAND_S)


def _environment(transport: Transport, interpreter: Interpreter, folder: str) -> str:
    """The interpreter of the agent's virtual environment, created if missing. pip comes as a wheel: many boards lack
    ensurepip.
    """
    place = f"{folder}/venv"
    mark_if_new(transport, place)
    made = transport.run([interpreter.path, "-m", "venv", "--without-pip", place], COMMAND_S * 5)
    if made.exit_status:
        detail = made.stderr.decode(errors="replace").strip()[-300:]
        raise DeviceError(f"{interpreter.path} cannot make a virtual environment; install python3-venv there: {detail}")
    return f"{place}/bin/python"


def _install(transport: Transport, python: str, wheels: Sequence[str]) -> None:
    """Install exactly those wheels. Their dependencies were resolved on the host."""
    pip = next(wheel for wheel in wheels if PurePosixPath(wheel).name.startswith("pip-"))
    options = ["--no-index", "--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--no-warn-script-location"]
    command = [python, f"{pip}/pip", "--isolated", "install", "--quiet", *options, "--upgrade"]
    others = [wheel for wheel in wheels if wheel != pip]
    transport.run([*command, *others], INSTALL_S).checked("installing the wheels")
