"""The agent's folder on a device: created by latkit, or at least with known latkit files in it.

A folder that was new or empty when latkit first wrote to it contains a marker. Only in such a folder does latkit delete
by name; anywhere else it deletes files only by their hash (see `clearing`). Every command is an argument
list that any device supports, with the find and rm of busybox and toybox, and follows no link out of the folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from latkit._io import cache, one_line
from latkit.devices.agent import MARKER_FILE
from latkit.devices.provisioning.remote_hashes import unchanged
from latkit.devices.transports import Transport
from latkit.devices.transports.adb.address import PHONE_FOLDER, PHONE_HOME
from latkit.devices.transports.address import AGENT_FOLDER
from latkit.errors import DeviceError, UsageError

MARKER = ".latkit-agent-folder"
FIND_S = 60.0
NO_SUCH_COMMAND = 127
NAMED_BY_HASH = re.compile(
    r"(?:(?:agent|loader)-([0-9a-f]{12})\.pyz?|bundle-([0-9a-f]{12})\.tar\.gz|benchmark_model-([0-9a-f]{12}))"
)
"""Files directly in the folder: their names contain the beginning of their SHA-256. Agents used to be `.py` files."""
PART = r"(?:\.[0-9a-f]{16}\.part)"
"""Suffix of a copy until it is complete."""
PUT_THERE = re.compile(rf"{NAMED_BY_HASH.pattern}{PART}?|{re.escape(MARKER)}{PART}?|\.push-[a-z0-9_]{{8}}")
MODEL = re.compile(rf"([0-9a-f]{{64}}){PART}?|\.push-[a-z0-9_]{{8}}")
VERSION = re.compile(r"[0-9a-f]{12}")
"""A version of the native agent, in `native`."""
FOLDERS = ("models", "native", "venv", "wheels")


@dataclass(frozen=True, slots=True)
class AgentFolder:
    """The content of the folder when it was listed."""

    path: str
    exists: bool
    names: tuple[str, ...] = ()
    """Names of all entries."""
    files: tuple[str, ...] = ()
    """Names of the regular files."""
    folders: tuple[str, ...] = ()
    """Names of the folders, without links to folders."""

    @property
    def marked(self) -> bool:
        """Whether latkit created it, or found it empty."""
        return MARKER in self.files

    @property
    def is_default(self) -> bool:
        """Whether latkit chose the path, which is used by nothing else."""
        return self.path.endswith(f"/{AGENT_FOLDER}") or self.path == f"{PHONE_HOME}/{PHONE_FOLDER}"


def inspect_folder(transport: Transport, path: str) -> AgentFolder:
    """List a folder. Raises DeviceError if it cannot be listed."""
    found = transport.run(["find", f"{path}/.", "-maxdepth", "1"], FIND_S)
    if not found.stdout:
        detail = one_line(found.stderr.decode(errors="replace"), 200)
        if found.exit_status == NO_SUCH_COMMAND:
            raise DeviceError(f"expected the command find on the device, to look into {path}, but found none: {detail}")
        if path in _existing(transport, [path]):
            raise DeviceError(f"expected {path} as a folder that can be read, but found: {detail}")
        return AgentFolder(path, exists=False)
    return AgentFolder(
        path,
        exists=True,
        names=_names(found.stdout, f"{path}/."),
        files=list_in(transport, f"{path}/.", "f"),
        folders=list_in(transport, f"{path}/.", "d"),
    )


def list_in(transport: Transport, folder: str, kind: str = "") -> tuple[str, ...]:
    """Names in a folder, of the kind that find calls `kind`; empty if it is a link, or does not exist."""
    of_kind = ["-type", kind] if kind else []
    found = transport.run(["find", folder, "-maxdepth", "1", *of_kind], FIND_S)
    return _names(found.stdout, folder)


def mark_if_new(transport: Transport, path: str) -> None:
    """Mark a folder that does not exist yet, or is empty, before anything is put there."""
    found = inspect_folder(transport, path)
    if not found.names:
        _mark(transport, path)


def claim(transport: Transport, path: str) -> AgentFolder:
    """Make sure that a folder is latkit's, and mark it; returns its content before.

    Raises UsageError if it contains anything else. A folder of an earlier version, which had no marker, is taken over
    if everything in it is latkit's.
    """
    found = inspect_folder(transport, path)
    if found.marked:
        return found
    unexpected = _find_unexpected(transport, found)
    if unexpected:
        raise UsageError(
            f"expected a new or empty folder for the agent, but found {unexpected!r} in {path}, which latkit did not "
            f"put there; choose another folder: --agent-folder {path}/latkit-agent"
        )
    _mark(transport, path)
    return found


def hashes_in_names(names: Iterable[str]) -> dict[str, str]:
    """The full or partial SHA-256 in a name, for the names that contain one."""
    matches = {name: NAMED_BY_HASH.fullmatch(name) or MODEL.fullmatch(name) for name in names}
    return {name: next(filter(None, match.groups()), "") for name, match in matches.items() if match}


def _find_unexpected(transport: Transport, found: AgentFolder) -> str:
    """A name in the folder that is not latkit's; empty if there is none."""
    named = {name: sha256 for name, sha256 in hashes_in_names(found.files).items() if NAMED_BY_HASH.fullmatch(name)}
    ours = set(unchanged(transport, found.path, named))
    if ours or found.is_default:
        ours |= {name for name in found.files if PUT_THERE.fullmatch(name) and name not in named}
        known = (*FOLDERS, *cache.NAMES) if found.is_default else ("models",)
        ours |= {name for name in found.folders if name in known}
    models = list_in(transport, f"{found.path}/models") if "models" in ours else ()
    strange = [f"models/{name}" for name in models if not MODEL.fullmatch(name)]
    return next(iter([*(name for name in found.names if name not in ours), *strange]), "")


def missing_folders(transport: Transport, path: str) -> list[str]:
    """The folder and its parents that do not exist, the deepest first."""
    parts = path.strip("/").split("/")
    above = ["/" + "/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    there = _existing(transport, above)
    return [folder for folder in above if folder not in there]


def _existing(transport: Transport, paths: list[str]) -> set[str]:
    found = transport.run(["find", *paths, "-maxdepth", "0"], FIND_S)
    return set(found.stdout.decode(errors="replace").splitlines())


def _names(output: bytes, folder: str) -> tuple[str, ...]:
    """The names that find lists. After a newline in a name, the rest keeps the newline, and so is never a name of
    latkit's.
    """
    names = []
    for line in output.decode(errors="replace").split("\n")[:-1]:
        inside = line.removeprefix(f"{folder}/") if line.startswith(f"{folder}/") else ""
        if line != folder:
            names.append(inside or f"\n{line}")
    return tuple(names)


def _mark(transport: Transport, path: str) -> None:
    transport.push(MARKER_FILE, f"{path}/{MARKER}")
