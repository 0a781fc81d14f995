"""`latkit reproduce NAME`: a finished search runs again from its recipe, and both are compared bit for bit."""

from __future__ import annotations

from typing import Annotated

import typer

from latkit.cli.console import showing_progress
from latkit.cli.options import AsJson, Teacher, workspace_folder
from latkit.errors import LatkitError


def reproduce(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A finished search.")],
    again: Annotated[
        str | None, typer.Option("--name", metavar="NEW", help="Name of the reproduction. Default: NAME-again.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Where the images are now, if they have moved; the folder of a benchmark's tables."),
    ] = None,
    teacher: Teacher = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a reproduction that was interrupted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a finished search again as its recipe says, and compare the two bit for bit. Nothing is measured.

    Exits with 1 if they differ.
    """
    from latkit.cli.render.reproduced import show_reproduction
    from latkit.search.training.runtime_env import is_first_process
    from latkit.workspace import Workspace
    from latkit.workspace.requests import ReproduceRequest

    request = ReproduceRequest(name=name, again=again, data=data, teacher=teacher, resume=resume)
    with showing_progress() as callbacks:
        found = Workspace(workspace_folder(context)).reproduce(request, callbacks)
    if not is_first_process():
        return
    show_reproduction(name, found, as_json)
    if not found.equal:
        raise typer.Exit(LatkitError.exit_code)


COMMANDS = (reproduce,)
