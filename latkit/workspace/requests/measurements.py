"""Requests about measurements: exported to and imported from another machine."""

from __future__ import annotations

from pathlib import Path

from latkit.workspace.requests.base import Request, TargetField


class ExportMeasurementsRequest(Request):
    """Write a target's measurements, raw samples included, as Parquet with a card."""

    target: TargetField
    output: Path
    command: tuple[str, ...] = ()
    """The command that the card names as its origin."""


class ImportMeasurementsRequest(Request):
    """Read measurements made on another machine into the workspace."""

    file: Path
