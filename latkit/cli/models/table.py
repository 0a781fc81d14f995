"""`latkit table`: latency tables written and read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latkit.cli.console import emit_json, say
from latkit.cli.options import (
    AsJson,
    Channels,
    Classes,
    ModelKind,
    Resolution,
    SpaceName,
    TargetName,
    Width,
    check_output,
    workspace_folder,
)

app = typer.Typer(help="Latency tables of a space: seconds of every candidate.", no_args_is_help=True)


@app.command()
def export(
    context: typer.Context,
    target: TargetName,
    space: SpaceName,
    output: Annotated[Path, typer.Option("--output", "-o", help="File ending in .json, .safetensors or .yaml.")],
    model: ModelKind = "lookup",
    resolution: Resolution = None,
    width: Width = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Write the latency table of a space on a target, for use in Python or elsewhere.

    As .yaml it holds the ops' milliseconds under ProxylessNAS's keys.
    """
    from latkit.cli.parsing import space_named
    from latkit.targets import Target
    from latkit.workspace.models.tables import export_table
    from latkit.workspace.requests import ExportTableRequest
    from latkit.workspace.target_verbs import TargetVerbs

    check_output(output)
    request = ExportTableRequest(
        target=Target.parse(target),
        space=space_named(space, resolution, width, classes, channels),
        output=output,
        model=model,
    )
    workspace = TargetVerbs(workspace_folder(context))  # Workspace needs the extras of searches and reports
    table = export_table(workspace, request)
    is_own = workspace.model_path(request.target, model, request.space).exists()
    source = workspace.model(request.target, model, request.space).origin_.imported
    choices, candidates = len(table.rows()), sum(map(len, table.rows()))
    fastest_ms, slowest_ms = 1e3 * table.fastest(), 1e3 * table.slowest()
    if as_json:
        emit_json(
            {
                "file": str(output),
                "fastest_ms": fastest_ms,
                "slowest_ms": slowest_ms,
                "choices": choices,
                "candidates": candidates,
                "fitted_for_space": is_own,
                "imported": source,
            }
        )
    else:
        networks = f"networks from {fastest_ms:.3f} to {slowest_ms:.3f} ms"
        say(f"{output}: space {request.space.name} on {request.target}, {networks}")
        fitted = "the model fitted for this space" if is_own else "a model that was fitted for something else"
        say(
            f"{candidates} candidates of {choices} choices, each matched by an op of "
            f"{f'the table imported from {source}' if source else fitted}"
        )


@app.command(name="import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="YAML file in the key format of ProxylessNAS or Once-for-all.")],
    device: Annotated[str, typer.Option("--device", help="Name for the device that it was measured on.")],
    runtime: Annotated[
        str | None, typer.Option("--runtime", help="What executed the ops there; by default TFLite.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Save a published latency table as a look-up model, marked as imported and not as measured."""
    from latkit.runtimes.tflite import TFLITE
    from latkit.targets import Target
    from latkit.workspace.models.tables import import_table
    from latkit.workspace.requests import ImportTableRequest
    from latkit.workspace.target_verbs import TargetVerbs

    request = ImportTableRequest(file=file, target=Target.parse(f"{device}/{runtime or TFLITE.name}"))
    found = import_table(TargetVerbs(workspace_folder(context)), request)
    table, target = found.table, str(request.target)
    keys, ops = len(table.entries), len(table.ops())
    if as_json:
        emit_json({"target": target, "keys": keys, "ops": ops, "imported": table.source, "file": str(found.path)})
    else:
        say(f"{target}: {keys} keys of {table.source}; latkit knows {ops} ops of them")
