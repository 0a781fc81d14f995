"""The verbs on measurements: exported, imported and repaired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from latkit.devices import load_device
from latkit.devices.device_info import describe
from latkit.errors import NotMeasured
from latkit.layout import Folders
from latkit.measurements import card_path, check_replaces_card, read_parquet, write_card, write_parquet
from latkit.measurements.unreadable import Unreadable
from latkit.targets import Target
from latkit.workspace.requests.measurements import ExportMeasurementsRequest, ImportMeasurementsRequest


@dataclass(frozen=True, slots=True)
class Exported:
    """The files of an export."""

    file: Path
    card: Path
    measurements: int


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was removed from a store, and how many rows stay that another installation can read."""

    target: Target
    removed: tuple[Unreadable, ...]
    unknown: int


def export_measurements(folders: Folders, request: ExportMeasurementsRequest) -> Exported:
    """Write all measurements of a target, and their card. Raises NotMeasured, UsageError.

    A file of the card's name that is no card is not replaced.
    """
    check_replaces_card(request.output)
    measurements = folders.measurements(request.target)
    card = write_card(measurements, _device_lines(folders, request.target.device), request.command)
    write_parquet(measurements, request.output, card)
    return Exported(request.output, card_path(request.output), len(measurements))


def import_measurements(folders: Folders, request: ImportMeasurementsRequest) -> Mapping[str, int]:
    """Add what the stores lack; the number of rounds read, by target. Raises BadFile."""
    measurements = read_parquet(request.file)
    written: dict[str, int] = {}
    for target in {measurement.target for measurement in measurements}:
        with folders.store(target) as store:
            written[str(target)] = store.add_all(m for m in measurements if m.target == target)
    return written


def repair_measurements(folders: Folders, target: Target) -> Repaired:
    """Remove what cannot be read. Rows of ops that are not installed here stay. Raises NotMeasured."""
    if not folders.has_measurements(target):
        raise NotMeasured(f"nothing was measured on {target} yet")
    with folders.store(target) as store:
        found = store.unreadable()
        spoilt = tuple(row for row in found if row.is_spoilt)
        store.remove(spoilt)
    return Repaired(target, spoilt, len(found) - len(spoilt))


def _device_lines(folders: Folders, name: str) -> list[str]:
    """What is known of the device; nothing if it is not registered in this workspace."""
    if not (folders.devices_dir / f"{name}.toml").is_file():
        return []
    facts = describe(load_device(folders.devices_dir, name))
    return [f"- {label.capitalize()}: {facts[label]}" for label in ("model", "cores", "memory", "governor", "system")]
