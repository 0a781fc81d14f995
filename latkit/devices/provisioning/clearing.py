"""Clearing: removes from a device what latkit put there, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from latkit.devices.provisioning.agent_folder import (
    FOLDERS,
    MARKER,
    MODEL,
    NAMED_BY_HASH,
    PUT_THERE,
    VERSION,
    AgentFolder,
    claim,
    hashes_in_names,
    inspect_folder,
    list_in,
    missing_folders,
)
from latkit.devices.provisioning.bundle import known_bundles
from latkit.devices.provisioning.remote_hashes import batches, unchanged
from latkit.devices.transports import Transport
from latkit.errors import DeviceError, UsageError

COMMAND_S = 60.0


def clear(transport: Transport, path: str) -> list[str]:
    """Remove what latkit put into the agent's folder, and the folder if latkit made it and nothing else is in it.

    Returns the names of what was left because it cannot be proven to be latkit's. Raises DeviceError.
    """
    found = inspect_folder(transport, path)
    if not found.exists:
        return []
    if not found.marked:
        with suppress(UsageError):
            claim(transport, path)  # a folder of an earlier version with nothing else in it
            found = inspect_folder(transport, path)
    if found.marked:
        return _clear_marked(transport, found)
    return _clear_by_hash(transport, found)


def remove_other_versions(transport: Transport, path: str, current: str) -> None:
    """Remove the other versions of the native agent from a folder that is latkit's. Raises DeviceError."""
    if inspect_folder(transport, path).marked:
        versions = [name for name in list_in(transport, f"{path}/native", "d") if VERSION.fullmatch(name)]
        _remove(transport, ["rm", "-rf"], [f"{path}/native/{name}" for name in versions if name != current])


@contextmanager
def claimed(transport: Transport, path: str) -> Iterator[None]:
    """The folder as latkit's; if the block raises, also by Ctrl-C, the folder is restored. Raises as `claim` does."""
    missing = missing_folders(transport, path)
    before: dict[str, set[str]] | None = None
    try:
        before = {folder: set(list_in(transport, folder)) for folder in _inside(path)}
        claim(transport, path)
        yield
    except BaseException:
        if before is not None:
            with suppress(DeviceError):
                _restore(transport, path, before, missing)
        raise


def _restore(transport: Transport, path: str, before: dict[str, set[str]], missing: Sequence[str]) -> None:
    """Remove what was put there since, and the folders that were created for it."""
    new = {folder: set(list_in(transport, folder)) - names for folder, names in before.items()}
    top, models, native = _inside(path)
    files = [f"{top}/{name}" for name in new[top] if PUT_THERE.fullmatch(name)]
    files += [f"{models}/{name}" for name in new[models] if MODEL.fullmatch(name)]
    _remove(transport, ["rm", "-f"], files)
    _remove(transport, ["rm", "-rf"], [f"{native}/{name}" for name in new[native] if VERSION.fullmatch(name)])
    made = [f"{top}/{name}" for name in ("models", "native") if name in new[top]]
    _remove(transport, ["rmdir"], [*made, *missing], must=False)


def _inside(path: str) -> tuple[str, str, str]:
    return f"{path}/.", f"{path}/models", f"{path}/native"


def _clear_marked(transport: Transport, found: AgentFolder) -> list[str]:
    """Remove by name; returns the names of what was left. The marker goes last, so that a failed removal can be
    repeated.

    A virtual environment or wheels in it may be a person's, if the folder was an empty home folder. They are removed
    only if they have their own marker, or if latkit chose the path.
    """
    path = found.path
    trees = [name for name in ("venv", "wheels") if name in found.folders]
    ours = [name for name in trees if found.is_default or inspect_folder(transport, f"{path}/{name}").marked]
    versions = [name for name in list_in(transport, f"{path}/native", "d") if VERSION.fullmatch(name)]
    files = [name for name in found.files if PUT_THERE.fullmatch(name) and name != MARKER]
    files += [f"models/{name}" for name in list_in(transport, f"{path}/models", "f") if MODEL.fullmatch(name)]
    _remove(transport, ["rm", "-rf"], [f"{path}/{name}" for name in (*ours, *(f"native/{name}" for name in versions))])
    _remove(transport, ["rm", "-f"], [f"{path}/{name}" for name in files])
    emptied = [f"{path}/{name}" for name in ("models", "native") if name in found.folders]
    _remove(transport, ["rmdir"], emptied, must=False)
    _remove(transport, ["rm", "-f"], [f"{path}/{MARKER}"])
    _remove(transport, ["rmdir"], [path], must=False)
    return [name for name in trees if name not in ours]


def _clear_by_hash(transport: Transport, found: AgentFolder) -> list[str]:
    """Remove the files whose content latkit knows. The folder itself is somebody else's."""
    path = found.path
    named = {name: sha256 for name, sha256 in hashes_in_names(found.files).items() if NAMED_BY_HASH.fullmatch(name)}
    files = unchanged(transport, path, named)
    in_models = hashes_in_names(list_in(transport, f"{path}/models", "f"))
    models = [f"models/{name}" for name in unchanged(transport, f"{path}/models", in_models)]
    emptied = ["models"] if models else []
    for bundle in known_bundles() if "native" in found.folders else ():
        place = f"native/{bundle.sha256[:12]}"
        same = [f"{place}/{name}" for name in unchanged(transport, f"{path}/{place}", bundle.files)]
        files += same
        emptied += [f"{place}/lib", place, "native"] if same else []
    _remove(transport, ["rm", "-f"], [f"{path}/{name}" for name in (*files, *models)])
    _remove(transport, ["rmdir"], [f"{path}/{name}" for name in dict.fromkeys(emptied)], must=False)
    left = inspect_folder(transport, path)
    return [name for name in left.names if name in FOLDERS or NAMED_BY_HASH.fullmatch(name)]


def _remove(transport: Transport, command: Sequence[str], paths: Sequence[str], must: bool = True) -> None:
    for batch in batches(paths):
        done = transport.run([*command, "--", *batch], COMMAND_S)
        if must:
            done.checked("removing latkit's files")
