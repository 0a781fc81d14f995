"""`latkit`: nouns and verbs. Ends with 0 when done, 1 when it failed, 2 when the words were wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from latkit.cli import agent, compare, data, demo, device, model, report, search
from latkit.cli.console import emit_json, note, say
from latkit.cli.options import AsJson
from latkit.errors import LatkitError

app = typer.Typer(
    name="latkit",
    help="Measure neural networks on real devices, model their latency, and search with it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(device.app, name="device")
app.add_typer(agent.app, name="agent")
app.add_typer(data.measurements_app, name="measurements")
app.add_typer(model.table_app, name="table")
for module in (data, model, search, compare, report, demo):
    for command in module.COMMANDS:
        app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        from latkit import __version__

        say(f"latkit {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    workspace: Annotated[
        Path, typer.Option("--workspace", "-C", envvar="LATKIT_WORKSPACE", help="Folder of the workspace.")
    ] = Path(),
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Measure neural networks on real devices, model their latency, and search with it."""
    context.obj = workspace


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="Folder to make the workspace in.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Make a workspace: the folders devices, measurements and search."""
    from latkit.workspace import FOLDERS, Workspace

    root = Workspace.init(directory).root.resolve()
    if as_json:
        emit_json({"workspace": str(root), "folders": list(FOLDERS)})
    else:
        say(f"workspace {root}: {', '.join(FOLDERS)}\nnext: latkit device add NAME --local")


def _speaker() -> str:
    """Which of several processes speaks; the first one needs no name."""
    rank = os.environ.get("RANK", "0") if "TORCHELASTIC_RUN_ID" in os.environ else "0"
    return "" if rank == "0" else f"process {rank}: "


def main() -> None:
    """Entry point of the `latkit` command."""
    try:
        app()
    except LatkitError as error:
        note(f"{_speaker()}error: {error}")
        sys.exit(error.exit_code)
    except MemoryError as error:
        note(f"{_speaker()}error: expected enough memory, but found: {error or 'none left'}")
        sys.exit(LatkitError.exit_code)
