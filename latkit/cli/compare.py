"""`latkit compare`: the cross table, networks of searches for one target measured on every target."""

from __future__ import annotations

from typing import Annotated

import typer

from latkit.cli.console import ConsoleProgress, emit_json, note, say
from latkit.cli.options import AsJson, Binary, BinaryFlags, ModelKind, Wait, workspace_folder


def compare(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Searches, or series of searches.")],
    target: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="TARGET", help="A further target to measure on; repeat for more."),
    ] = None,
    zoo: Annotated[
        bool, typer.Option("--zoo", help="Measure the published networks too: MobileNetV2, ProxylessNAS, at 224 px.")
    ] = False,
    model: ModelKind = "lookup",
    wait: Wait = 0.0,
    binary: Binary = None,
    binary_flag: BinaryFlags = None,
    as_json: AsJson = False,
) -> None:
    """Measure the networks of searches on each other's targets; `latkit report` then shows the table."""
    from latkit.cli.collecting import tool_of
    from latkit.cli.render.cross_table import show_cross_table
    from latkit.targets import Target
    from latkit.workspace import Workspace
    from latkit.workspace.cross_evaluation import CrossEvaluation
    from latkit.workspace.entries import all_entries, targets_of
    from latkit.workspace.multi_search import searches_named

    workspace = Workspace(workspace_folder(context))
    entries = all_entries(workspace, searches_named(workspace, names), zoo)
    targets = [*targets_of(entries), *map(Target.parse, target or ())]
    for one in targets:
        workspace.device(one.device)
    tool = tool_of(binary, binary_flag, *targets)
    with ConsoleProgress() as progress:
        evaluation = CrossEvaluation(workspace, progress, model, wait, note, tool)
        cross_table = evaluation.table(names[0], entries, targets)
    path = cross_table.save(workspace.search_dir(names[0]))
    if as_json:
        emit_json({**cross_table.document(), "file": str(path)})
        return
    show_cross_table(cross_table)
    say(f"kept in {path}; look at it with: latkit report {names[0]} -o {names[0]}.html")


COMMANDS = (compare,)
