"""Launching: puts the agent on a device when it is not there yet, and starts it."""

from __future__ import annotations

from latkit.devices.agent import AGENT_FILE
from latkit.devices.link import SILENCE_S, Link
from latkit.devices.transports import Transport
from latkit.devices.transports.base import sha256_of
from latkit.errors import DeviceError

COMMAND_S = 60.0
"""Time for a command that any device answers at once, were it not busy."""


def launch(transport: Transport, device: str, folder: str, python: str, silence_s: float = SILENCE_S) -> Link:
    """Start the agent with that interpreter and shake hands with it.

    Raises DeviceError with a remedy when the interpreter cannot run it, and the errors of Link.hello.
    """
    path = push_agent(transport, folder)
    link = Link(transport.start([python, "-u", path, "--models", models_folder(folder)]), device, silence_s)
    try:
        link.hello()
    except BaseException:
        link.close()
        raise
    return link


def models_folder(folder: str) -> str:
    """Where the agent keeps its models, given its folder."""
    return f"{folder}/models"


def push_agent(transport: Transport, folder: str) -> str:
    """Path of the agent on the device, pushed unless a file of that hash is there."""
    sha256 = sha256_of(AGENT_FILE)
    path = f"{folder}/agent-{sha256[:12]}.py"
    if not has(transport, path, sha256):
        transport.push(AGENT_FILE, path)
    return path


def has(transport: Transport, path: str, sha256: str) -> bool:
    """Whether the device has a file of that content there."""
    found = transport.run(["sha256sum", path], COMMAND_S)
    return found.exit_status == 0 and found.stdout.decode(errors="replace").lstrip("\\").startswith(sha256)


def find_python(transport: Transport, named: str | None) -> str:
    """Absolute path of the interpreter of that name, or of the first that the device has.

    Raises DeviceError when there is none of 3.8 or later.
    """
    show = "import sys; assert sys.version_info >= (3, 8), sys.version; print(sys.executable)"
    said = ""
    for name in (named,) if named else ("python3", "python"):
        found = transport.run([name, "-c", show], COMMAND_S)
        path = found.stdout.decode(errors="replace").strip()
        if found.exit_status == 0 and path:
            return path
        said = found.stderr.decode(errors="replace").strip()[-200:]
    raise DeviceError(
        f"expected Python 3.8 or later on the device as {named or 'python3'}, but found none ({said}); "
        "install it there, or name an interpreter"
    )
