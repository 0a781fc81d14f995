"""State that latkit saves on this host for its user alone: confirmed files, and bundles built here.

It is in the user's own state folder, to which no workspace and no shared cache can write.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from latkit._io import load_json, write_text
from latkit.errors import BadFile, WriteError

MAX_NOTE_BYTES = 100_000


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """`latkit` in the folder that XDG_STATE_HOME names, or in `~/.local/state`."""
    named = environment.get("XDG_STATE_HOME", "")
    return (Path(named) if Path(named).is_absolute() else Path.home() / ".local" / "state") / "latkit"


def remember(kind: str, key: str, note: Mapping[str, str]) -> None:
    """Save a note under a key. Raises WriteError, DiskFull."""
    path = _path(kind, key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise WriteError(f"could not make {path.parent}: {error.strerror}; XDG_STATE_HOME names another") from error
    write_text(path, json.dumps(note, indent=1) + "\n")


def recall(kind: str, key: str) -> dict[str, str] | None:
    """The note under a key, or None; also None if it cannot be read."""
    path = _path(kind, key)
    if not path.is_file():
        return None
    try:
        note = load_json(path, "a note of latkit's", MAX_NOTE_BYTES)
    except BadFile:
        return None
    return {name: value for name, value in note.items() if isinstance(value, str)} if isinstance(note, dict) else None


def _path(kind: str, key: str) -> Path:
    return state_folder() / kind / f"{key}.json"
