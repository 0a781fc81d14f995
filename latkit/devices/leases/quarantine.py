"""Quarantine: after repeated faults, a device is not used until the doctor has examined it.

The record is in the workspace as `devices/NAME.quarantine`, in TOML, next to the device's file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field

from latkit._io import one_line, parse_toml, read_text, reading, take_release, with_release, write_text
from latkit._io.moments import moment_written
from latkit.errors import DeviceFailing, DeviceQuarantined

MAX_FAULTS = 20
"""Number of the last faults that are saved."""
MAX_MESSAGE_CHARS = 1000
MAX_FILE_BYTES = 2**20


class RecordedFault(BaseModel):
    """One fault, and when it was noticed, as ISO 8601 in UTC."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    at: str
    message: str


class Quarantine(BaseModel):
    """Why a device is in quarantine."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    format: Literal[1] = 1
    device: str
    since: str
    """Start of the quarantine, as ISO 8601 in UTC."""
    faults: list[RecordedFault] = Field(min_length=1)
    """The last faults, the oldest first."""

    def __str__(self) -> str:
        since, last = moment_written(self.since), self.faults[-1].message
        text = f"in quarantine since {since} after {len(self.faults)} faults: {last}"
        return one_line(text, 2 * MAX_MESSAGE_CHARS)


def quarantine_of(folder: Path, name: str) -> Quarantine | None:
    """Why that device is in quarantine, or None if it is not. Raises BadFile."""
    path, expected = _path(folder, name), "the record of a quarantine in TOML"
    if not os.path.lexists(path):
        return None
    text = read_text(path, expected, MAX_FILE_BYTES)
    with reading(path, expected):
        document = parse_toml(text)
    with reading(path, expected, take_release(document)):
        return Quarantine.model_validate(document)


def quarantine(folder: Path, name: str, faults: Sequence[tuple[str, str]]) -> Quarantine:
    """Put a device into quarantine. `faults` are times as ISO 8601 in UTC, and messages."""
    recorded = [RecordedFault(at=at, message=one_line(message, MAX_MESSAGE_CHARS)) for at, message in faults][
        -MAX_FAULTS:
    ]
    record = Quarantine(device=name, since=datetime.now(UTC).isoformat(timespec="seconds"), faults=recorded)
    write_text(_path(folder, name), tomli_w.dumps(with_release(record.model_dump())))
    return record


def lift_quarantine(folder: Path, name: str) -> bool:
    """Lift the quarantine of a device; returns whether there was one."""
    path = _path(folder, name)
    was = os.path.lexists(path)
    path.unlink(missing_ok=True)
    return was


@contextmanager
def quarantining(folder: Path, name: str) -> Iterator[None]:
    """Raise DeviceQuarantined for a device in quarantine, and put one there that raises DeviceFailing inside."""
    record = quarantine_of(folder, name)
    if record is not None:
        raise DeviceQuarantined(
            f"{name} is {record}; once it is mended, lift the quarantine with: latkit device doctor {name}"
        )
    try:
        yield
    except DeviceFailing as error:
        quarantine(folder, name, error.faults)
        raise


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.quarantine"
