"""What latkit keeps on this host for its user alone: what was confirmed here, and what was built here.

It stands in the user's own state folder, which no workspace and no shared cache can write to.
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
    """Keep a note under a key. Raises WriteError, DiskFull."""
    path = _path(kind, key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise WriteError(f"could not make {path.parent}: {error.strerror}; XDG_STATE_HOME names another") from error
    write_text(path, json.dumps(note, indent=1) + "\n")


def recall(kind: str, key: str) -> dict[str, str] | None:
    """The note that is kept under a key, or None. One that cannot be read is none."""
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
