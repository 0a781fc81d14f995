"""`latkit`: nouns and verbs. Exit code 0 for success, 1 for a failure, 2 for a usage error."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from latkit.cli.console import ask_on_terminal, emit_json, say
from latkit.cli.devices import agent, device, target
from latkit.cli.examples import add_examples
from latkit.cli.models import fit, predict, quantize, table, validate
from latkit.cli.old_spellings import Command, SearchCommand
from latkit.cli.options import VERBOSE, AsJson, workspace_folder
from latkit.cli.profiling import collect, compare, measurements, profile
from latkit.cli.search import reproduce, search, space, specialize, strategies, train_supernet
from latkit.cli.workspace import cache, demo, report, serve
from latkit.consent import ask_with

app = typer.Typer(
    name="latkit",
    help="Measure neural networks on real devices, model their latency, and search with it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.add_typer(device.app, name="device")
app.add_typer(target.app, name="target")
app.add_typer(space.app, name="space")
app.add_typer(agent.app, name="agent")
app.add_typer(collect.app, name="collect")
app.add_typer(measurements.app, name="measurements")
app.add_typer(table.app, name="table")
app.add_typer(cache.app, name="cache")
for module in (
    profile,
    fit,
    validate,
    predict,
    search,
    train_supernet,
    specialize,
    quantize,
    strategies,
    reproduce,
    compare,
    report,
    serve,
    demo,
):
    for command in module.COMMANDS:
        app.command(cls=SearchCommand if module is search else Command)(command)


def _version(requested: bool) -> None:
    if requested:
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
    verbose: Annotated[
        bool, typer.Option("--verbose", envvar=VERBOSE, help="Show what a library said beside an error.")
    ] = False,
) -> None:
    """Measure neural networks on real devices, model their latency, and search with it."""
    context.obj = workspace
    ask_with(ask_on_terminal)
    if verbose:
        os.environ[VERBOSE] = "1"  # errors are shown where the option is out of reach; other processes inherit it


@app.command()
def init(
    context: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(help="Folder to make the workspace in; that of --workspace by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a workspace: the folders devices, measurements and search."""
    from latkit.layout import FOLDERS, Folders

    root = Folders.init(directory or workspace_folder(context)).root.resolve()
    if as_json:
        emit_json({"workspace": str(root), "folders": list(FOLDERS)})
    else:
        say(f"workspace {root}: {', '.join(FOLDERS)}\nnext: latkit device add NAME --local")


add_examples(app)
