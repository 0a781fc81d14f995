"""Launches the agent on a device, and pushes it first if it is missing."""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import suppress
from pathlib import Path

from latkit._io import one_line
from latkit.devices.agent import agent_archive
from latkit.devices.provisioning.agent_folder import mark_if_new
from latkit.devices.provisioning.bundle import AGENT, Bundle, bundle_for
from latkit.devices.provisioning.clearing import remove_other_versions
from latkit.devices.provisioning.toolchain import ARCHITECTURES
from latkit.devices.sessions.agent_client import SILENCE_S, Link
from latkit.devices.transports import Transport
from latkit.errors import DeviceError
from latkit.runtimes import list_runtimes

COMMAND_S = 60.0
"""Deadline of a command that a device answers at once unless it is busy."""
UNPACK_S = 300.0
PYTHON_AGENT = (
    "import sys; sys.path[:] = [place for place in sys.path if place]; del sys.argv[0]; "
    "from runpy import run_path; run_path(sys.argv[0], run_name='__main__')"
)
"""Runs the agent without its folder on the module path, where a file `numpy.py` would be taken for the package."""
USAGE = 2
"""Exit status of the native agent when it is started without options, which shows that it can be executed."""


def launch(transport: Transport, device: str, folder: str, python: str | None, silence_s: float = SILENCE_S) -> Link:
    """Start the agent with that interpreter, or the native agent if there is none, and shake hands with it.

    Raises DeviceError with a remedy if it cannot run there, BundleError if the native agent cannot be built, and the
    errors of `Link.hello`.
    """
    if python:
        command = [python, "-u", "-c", PYTHON_AGENT, push_agent(transport, folder), *_loaders(transport, folder)]
    else:
        command = push_native(transport, folder)
    link = Link(transport.start([*command, "--models", models_folder(folder)]), device, silence_s)
    try:
        link.hello()
    except BaseException:
        link.close()
        raise
    return link


def models_folder(folder: str) -> str:
    """Folder of the agent's models, given the agent's folder."""
    return f"{folder}/models"


def push_agent(transport: Transport, folder: str) -> str:
    """Path of the agent on the device; pushed unless a file of that hash exists."""
    return _push_named(transport, folder, "agent-{}.pyz", agent_archive())


def _loaders(transport: Transport, folder: str) -> list[str]:
    """The agent's options that name the files of runtimes that it does not know by itself; pushed where missing."""
    options = []
    for runtime in list_runtimes():
        if runtime.agent_file is not None:
            path = _push_named(transport, folder, "loader-{}.py", runtime.agent_file.read_bytes())
            options += ["--loader", f"{runtime.loader}={path}"]
    return options


def _push_named(transport: Transport, folder: str, name: str, content: bytes) -> str:
    """Path on the device of a Python program, with its hash in its name; pushed unless a file of that hash exists."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = f"{folder}/{name.format(sha256[:12])}"
    if not has(transport, path, sha256):
        mark_if_new(transport, folder)
        with tempfile.TemporaryDirectory() as temporary:
            source = Path(temporary, "program")
            source.write_bytes(content)
            transport.push(source, path)
    return path


def push_native(transport: Transport, folder: str) -> list[str]:
    """The command that starts the native agent; its bundle is pushed and unpacked unless all its files exist."""
    bundle, archive = bundle_for(_architecture(transport))
    place = f"{folder}/native/{bundle.sha256[:12]}"
    command = [f"{place}/{bundle.loader}", "--library-path", f"{place}/lib", f"{place}/{AGENT}"]
    if not _complete(transport, place, bundle):
        packed = f"{folder}/bundle-{bundle.sha256[:12]}.tar.gz"
        mark_if_new(transport, folder)
        transport.push(archive, packed)
        try:
            _unpack(transport, packed, place)
            if not _complete(transport, place, bundle):
                raise DeviceError(f"expected the agent's files in {place} as they were sent, but found others")
            _check_starts(transport, command)
        except DeviceError:
            with suppress(DeviceError):
                transport.run(["rm", "-rf", "--", place, packed], COMMAND_S)
            raise
        remove_other_versions(transport, folder, bundle.sha256[:12])
    return command


def _architecture(transport: Transport) -> str:
    """The device's processor. Raises DeviceError if there is no native agent for it."""
    result = transport.run(["uname", "-m"], COMMAND_S).checked("asking for its processor (uname -m)").stdout
    found = result.decode(errors="replace").strip()
    if found not in ARCHITECTURES:
        raise DeviceError(
            f"expected a 64-bit processor ({', '.join(ARCHITECTURES)}) for the native agent, but found {found!r}; "
            "with Python 3.8 or later on it, the device can run the Python agent"
        )
    return found


def _complete(transport: Transport, place: str, bundle: Bundle) -> bool:
    """Whether the device has every file of the bundle, unchanged."""
    result = transport.run(["sha256sum", *(f"{place}/{name}" for name in bundle.files)], COMMAND_S)
    lines = (line.partition(" ") for line in result.stdout.decode(errors="replace").splitlines())
    found = {path.lstrip(" *"): sha256 for sha256, _, path in lines}
    return found == {f"{place}/{name}": sha256 for name, sha256 in bundle.files.items()}


def _unpack(transport: Transport, packed: str, place: str) -> None:
    """Unpack a bundle, and replace what remains of it on the device. Needs mkdir, tar and rm there."""
    transport.run(["rm", "-rf", "--", place], COMMAND_S).checked("removing what is left of the agent")
    transport.run(["mkdir", "-p", "--", place], COMMAND_S).checked("making the agent's folder")
    transport.run(["tar", "-xzf", packed, "-C", place], UNPACK_S).checked("unpacking the agent")
    transport.run(["rm", "-f", "--", packed], COMMAND_S).checked("removing the agent's archive")


def _check_starts(transport: Transport, command: list[str]) -> None:
    """Raise DeviceError if the device refuses to execute the pushed files."""
    found = transport.run(command, COMMAND_S)
    if found.exit_status != USAGE:
        detail = found.stderr.decode(errors="replace").strip()[-300:] or "no message"
        raise DeviceError(
            f"expected {command[0]} to start, but found exit status {found.exit_status} ({detail}); "
            "give a folder from which programs may be started: --agent-folder"
        )


def has(transport: Transport, path: str, sha256: str) -> bool:
    """Whether the device has a file with that content."""
    found = transport.run(["sha256sum", path], COMMAND_S)
    return found.exit_status == 0 and found.stdout.decode(errors="replace").lstrip("\\").startswith(sha256)


def choose_python(transport: Transport, named: str | None) -> str | None:
    """As find_python, but None if the device has no Python and none was named: it gets the native agent."""
    return find_python(transport, named) if named else _search_python(transport, None)[0] or None


def find_python(transport: Transport, named: str | None) -> str:
    """Absolute path of the interpreter of that name, or of the first that the device has.

    Raises DeviceError if there is none of 3.8 or later.
    """
    path, result = _search_python(transport, named)
    if not path:
        raise DeviceError(
            f"expected Python 3.8 or later on the device as {named or 'python3'}, but found none ({result}); "
            "install it there, name another interpreter with --python, or use the agent that needs none: "
            "--agent native"
        )
    return path


def _search_python(transport: Transport, named: str | None) -> tuple[str, str]:
    """Path of an interpreter, or an empty path with the last error output of the attempts."""
    show = "import sys; assert sys.version_info >= (3, 8), sys.version; print(sys.executable)"
    result = ""
    for name in (named,) if named else ("python3", "python"):
        found = transport.run([name, "-c", show], COMMAND_S)
        path = found.stdout.decode(errors="replace").strip()
        if found.exit_status == 0 and path:
            return path, ""
        result = one_line(found.stderr.decode(errors="replace").strip()[-200:])
    return "", result
