"""`latkit report`: figures for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latkit.cli.console import emit_json, say
from latkit.cli.options import AsJson, check_output, workspace_folder


def report(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.html", help="The page to write.")],
    about: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET | NAME]", help="A target, or a search's name; all of the workspace by default."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write one self-contained HTML page about a target, a search, or the whole workspace."""
    from latkit.workspace import Workspace
    from latkit.workspace.requests import ReportRequest

    check_output(output, ".html", ".htm")
    request = ReportRequest(output=output, about=about)
    Workspace(workspace_folder(context)).report(request)
    if as_json:
        emit_json({"file": str(output), "subject": None if request.about is None else str(request.about)})
    else:
        say(f"{output}: open it in a browser")


COMMANDS = (report,)
