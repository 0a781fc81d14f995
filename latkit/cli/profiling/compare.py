"""`latkit compare`: the cross table, networks of searches for one target measured on every target."""

from __future__ import annotations

from typing import Annotated

import typer

from latkit.cli.console import showing_progress
from latkit.cli.options import AsJson, BenchmarkFlags, BenchmarkTool, ModelKind, Wait, workspace_folder


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
    benchmark_tool: BenchmarkTool = None,
    benchmark_flag: BenchmarkFlags = None,
    as_json: AsJson = False,
) -> None:
    """Measure the networks of searches on each other's targets; `latkit report` then shows the table."""
    from latkit.cli.parsing import targets_named, tool_named
    from latkit.cli.render.cross_table import show_comparison
    from latkit.workspace import Workspace
    from latkit.workspace.requests import CompareRequest

    request = CompareRequest(
        names=tuple(names),
        targets=targets_named(target),
        zoo=zoo,
        model=model,
        wait_s=wait,
        benchmark_tool=tool_named(benchmark_tool, benchmark_flag),
    )
    workspace = Workspace(workspace_folder(context))
    with showing_progress() as callbacks:
        comparison = workspace.compare(request, callbacks)
    show_comparison(comparison, names[0], as_json)


COMMANDS = (compare,)
