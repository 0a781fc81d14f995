"""`latkit target`: what the workspace knows of every target."""

from __future__ import annotations

import typer

from latkit.cli.console import emit_json, say, show_table
from latkit.cli.options import AsJson, workspace_folder

app = typer.Typer(help="Targets: a device, a runtime and its settings.", no_args_is_help=True)


@app.command(name="list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the targets that were measured or imported, and what there is of each."""
    from latkit.layout import FittedModels, target_states

    states = target_states(FittedModels(workspace_folder(context)))
    if as_json:
        emit_json(
            [
                {
                    "target": str(state.target),
                    "measured": state.is_measured,
                    "models": list(state.models),
                    "spaces": list(state.spaces),
                    "profiles": state.profiles,
                    "imported": state.imported,
                    "precisions": state.precisions,
                }
                for state in states
            ]
        )
    elif not states:
        say("no targets yet; measure one with: latkit collect space DEVICE/RUNTIME --space SPACE")
    else:
        show_table(
            "targets",
            [
                {
                    "target": str(state.target),
                    "from": f"imported: {state.imported}" if state.imported else "measured here",
                    "models": ", ".join(state.models) or "none",
                    "spaces": ", ".join(state.spaces),
                    "profiles": state.profiles,
                    "precisions": state.precisions,
                }
                for state in states
            ],
        )
