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
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET | NAME]", help="A target, or a search's name; all of the workspace by default."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write one self-contained HTML page about a target, a search, or the whole workspace."""
    from latkit.report import write_report
    from latkit.targets import Target
    from latkit.workspace import Workspace

    check_output(output)
    workspace = Workspace(workspace_folder(context))
    about = Target.parse(subject) if subject and "/" in subject else subject
    write_report(workspace, about, output)
    if as_json:
        emit_json({"file": str(output), "subject": None if about is None else str(about)})
    else:
        say(f"{output}: open it in a browser")


COMMANDS = (report,)
