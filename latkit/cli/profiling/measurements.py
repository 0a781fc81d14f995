"""`latkit measurements`: exported, imported and repaired."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from latkit.cli.console import emit_json, say
from latkit.cli.options import AsJson, TargetName, check_output, workspace_folder

app = typer.Typer(help="Take measurements from one machine to another.", no_args_is_help=True)


@app.command()
def export(
    context: typer.Context,
    target: TargetName,
    output: Annotated[Path, typer.Option("--output", "-o", help="Parquet file; its card stands beside it as .md.")],
    as_json: AsJson = False,
) -> None:
    """Write a target's measurements, raw samples included, as Parquet with a card."""
    from latkit.targets import Target
    from latkit.workspace.requests import ExportMeasurementsRequest
    from latkit.workspace.target_verbs import TargetVerbs

    request = ExportMeasurementsRequest(target=Target.parse(target), output=output, command=tuple(sys.argv[1:]))
    check_output(output)
    found = TargetVerbs(workspace_folder(context)).export_measurements(request)
    if as_json:
        emit_json({"file": str(found.file), "card": str(found.card), "measurements": found.measurements})
    else:
        say(f"{found.measurements} measurements in {found.file}, described in {found.card}")


@app.command(name="import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Parquet file that `latkit measurements export` wrote.")],
    as_json: AsJson = False,
) -> None:
    """Read measurements made on another machine into this workspace."""
    from latkit.workspace.requests import ImportMeasurementsRequest
    from latkit.workspace.target_verbs import TargetVerbs

    request = ImportMeasurementsRequest(file=file)
    written = TargetVerbs(workspace_folder(context)).import_measurements(request)
    if as_json:
        emit_json({"file": str(file), "visits": written})
    else:
        for name, rounds in written.items():
            say(f"{name}: {rounds} rounds read, those already here left out")


@app.command()
def repair(context: typer.Context, target: TargetName, as_json: AsJson = False) -> None:
    """Remove what cannot be read from a target's measurements, and keep the rest.

    What another installation can read stays: ops of a package that is not installed here.
    """
    from latkit.measurements.unreadable import summary
    from latkit.targets import Target
    from latkit.workspace.target_verbs import TargetVerbs

    found = TargetVerbs(workspace_folder(context)).repair_measurements(Target.parse(target))
    if as_json:
        removed = [{"table": row.table, "row": row.key, "reason": row.reason} for row in found.removed]
        emit_json({"target": str(found.target), "removed": removed, "unknown": found.unknown})
        return
    say(f"{found.target}: removed {summary(found.removed)}" if found.removed else f"{found.target}: nothing to remove")
    if found.unknown:
        say(f"{found.target}: {found.unknown} of ops that are not installed here stay")
